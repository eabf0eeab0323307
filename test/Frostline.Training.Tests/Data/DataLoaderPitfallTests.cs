using Frostline.Testing;
using Frostline.Training.Data;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Training.Tests.Data;

/// <summary>What TorchSharp's own loader does, beside Frostline's.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class DataLoaderPitfallTests
{
    [Fact]
    public void With_a_seed_TorchSharps_loader_repeats_its_order_in_every_epoch_and_this_one_does_not()
    {
        using var dataset = new Indices(64);
        using var loader = new DataLoader(dataset, 1, shuffle: true, seed: 7);
        Assert.Equal(Order(loader), Order(loader));

        var samples = FakeDataset.Of(64);
        Assert.Equal(SampleOrder.Of(samples, SamplingMode.Shuffled, 7, 0), SampleOrder.Of(samples, SamplingMode.Shuffled, 7, 0));
        Assert.NotEqual(SampleOrder.Of(samples, SamplingMode.Shuffled, 7, 0), SampleOrder.Of(samples, SamplingMode.Shuffled, 7, 1));
    }

    private static List<long> Order(DataLoader loader)
    {
        using var scope = NewDisposeScope();
        return [.. loader.Select(batch => (long)batch["index"].Number())];
    }

    private sealed class Indices(int count) : utils.data.Dataset
    {
        public override long Count => count;

        public override Dictionary<string, Tensor> GetTensor(long index) => new(StringComparer.Ordinal) { ["index"] = tensor(index) };
    }
}
