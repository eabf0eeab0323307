using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using Xunit;

namespace Frostline.Vision.Tests.Data;

/// <summary>Samples that are read without being decoded, and transforms whose outcomes can be asked for.</summary>
public sealed class SampleContentTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Equal_bytes_have_equal_hashes_wherever_they_lie_and_a_changed_byte_has_another()
    {
        var picture = new ImageField([1, 2, 3, 4, 5, 6], 1, 2, 3);
        foreach (var name in new[] { "a.png", "b.png", "c.png" }) ImageFile.Save(picture, _folder.PathOf(name));
        ImageFile.Save(new ImageField([1, 2, 3, 4, 5, 7], 1, 2, 3), _folder.PathOf("c.png"));
        var data = ImageDataset.Unlabelled(new[] { "a.png", "b.png", "c.png" }.Select(_folder.PathOf));
        var hashes = Enumerable.Range(0, 3).Select(i => Assert.Single(data.Open(i)!.Rows)).ToList();
        Assert.Equal(hashes[0], hashes[1]);
        Assert.NotEqual(hashes[0], hashes[2]);
    }

    [Fact]
    public void A_content_is_decoded_as_it_was_read_and_its_labels_need_no_decoding()
    {
        var path = _folder.PathOf("a.png");
        ImageFile.Save(new ImageField([1, 2, 3], 1, 1, 3), path);
        var data = new ImageDataset([new ImageEntry(path, [1])], new ClassMap(["left", "right"]));
        var content = data.Open(0)!;
        File.WriteAllText(path, "no picture any more");
        Assert.Equal([1f, 2f, 3f], (float[])content.Decode().Fields["image"].ToTensor().Values);
        var partial = content.Partial()!;
        Assert.True(partial.IsPartial);
        Assert.Equal(["label"], partial.Fields.Keys);
        Assert.Equal([1L], (long[])partial.Fields["label"].ToTensor().Values);
        new Resize { Size = 4 }.Apply(partial, new CounterRandom(1, "partial"));
        Assert.Throws<UnreadableSampleException>(() => data.Open(0)!.Decode());
        File.Delete(path);
        Assert.Throws<UnreadableSampleException>(() => data.Open(0));
    }

    [Fact]
    public void Views_of_a_data_set_open_its_samples_with_their_own_labels()
    {
        var path = _folder.PathOf("a.png");
        ImageFile.Save(new ImageField([1, 2, 3], 1, 1, 3), path);
        var data = new ImageDataset([new ImageEntry(path, [0]), new ImageEntry(path, [1])], new ClassMap(["left", "right"]));
        var view = ClassAlignment.Of(new SubsetDataset(data, [1]), new ClassMap(["right", "left"]));
        var content = view.Open(0)!;
        Assert.Equal(data.Open(1)!.Rows, content.Rows);
        Assert.Equal([0L], (long[])content.Partial()!.Fields["label"].ToTensor().Values);
        Assert.Equal([0L], (long[])content.Decode().Fields["label"].ToTensor().Values);
    }

    [Fact]
    public void Pictures_in_one_file_are_told_apart()
    {
        var record = new byte[3073];
        var file = _folder.PathOf("data_batch_1.bin");
        byte[] other = [.. record];
        other[100] = 9;
        File.WriteAllBytes(file, [.. record, .. record, .. other]);
        var data = Cifar10.Open(new Cifar10Options { Path = file }, new BuildContext { Folder = _folder.Path });
        Assert.Equal(data.Open(0)!.Rows, data.Open(1)!.Rows);
        Assert.NotEqual(data.Open(0)!.Rows, data.Open(2)!.Rows);
        Assert.Equal((float[])data.Read(2).Fields["image"].ToTensor().Values, (float[])data.Open(2)!.Decode().Fields["image"].ToTensor().Values);
    }

    [Theory]
    [InlineData(0.5, 0, 2)]
    [InlineData(0.5, 0.5, 4)]
    [InlineData(1, 0.5, 2)]
    [InlineData(1, 0, 1)]
    [InlineData(0, 1, 1)]
    public void A_flip_has_as_many_outcomes_as_chance_has_and_each_is_what_it_draws(double horizontal, double vertical, int outcomes)
    {
        var flip = new Flip { Horizontal = horizontal, Vertical = vertical };
        Assert.Equal(outcomes, flip.Outcomes);
        var seen = new HashSet<int>();
        for (var seed = 0; seed < 40; seed++)
        {
            var outcome = flip.Draw(Random(seed));
            seen.Add(outcome);
            Sample drawn = Picture(), asked = Picture();
            flip.Apply(drawn, Random(seed));
            flip.Apply(asked, outcome);
            Assert.Equal(Values(drawn), Values(asked));
        }

        Assert.Equal(Enumerable.Range(0, outcomes), seen.Order());
        Assert.Equal(outcomes, Enumerable.Range(0, outcomes).Select(Asked).Distinct(StringComparer.Ordinal).Count());
        Assert.Throws<ArgumentOutOfRangeException>(() => flip.Apply(Picture(), outcomes));

        string Asked(int outcome)
        {
            var picture = Picture();
            flip.Apply(picture, outcome);
            return string.Join(',', Values(picture));
        }
    }

    private static CounterRandom Random(int seed) => new(seed, "flip");

    private static float[] Values(Sample sample) => (float[])sample.Fields["image"].ToTensor().Values;

    private static Sample Picture()
    {
        var sample = new Sample { Source = "test" };
        sample.Set("image", new ImageField([1, 2, 3, 4], 2, 2, 1));
        return sample;
    }
}
