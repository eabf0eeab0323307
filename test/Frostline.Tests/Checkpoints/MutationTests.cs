using Frostline.Checkpoints;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Damaged files of every format give checkpoint errors and nothing else. <c>bench/Fuzz</c> does the same without end.</summary>
public sealed class MutationTests
{
    private const int Mutations = 20_000;

    public static TheoryData<string> Samples { get; } = [.. CheckpointSamples.All.Select(sample => sample.Name)];

    [Fact]
    public void Every_format_has_a_sample() =>
        Assert.Equal(Enum.GetValues<CheckpointFormat>(), CheckpointSamples.All.Select(sample => sample.Format).Distinct().Order());

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_sample_opens_and_mutations_give_only_checkpoint_errors(string name)
    {
        var sample = CheckpointSamples.Find(name);
        using var file = new DamagedFile(sample);
        Assert.Equal(Reached.Opened, file.Read(sample.File(sample.Content)));
        var reached = new int[3];
        for (var seed = 0; seed < Mutations; seed++)
        {
            try
            {
                reached[(int)file.Read(sample.File(Mutation.Apply(sample.Content, seed)))]++;
            }
            catch (Exception error)
            {
                Assert.Fail($"mutation {seed}: {error}");
            }
        }

        // Otherwise most of the reader would not be tested at all.
        Assert.True(2 * (Mutations - reached[0]) >= Mutations, $"only {Mutations - reached[0]} of {Mutations} were identified");
        Assert.True(reached[2] > 0, "not one mutant was opened");
    }
}
