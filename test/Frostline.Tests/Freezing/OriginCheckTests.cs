using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Freezing;

/// <summary>Frozen and never loaded is an error.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class OriginCheckTests : IDisposable
{
    private readonly SmallNet _network = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("frostline").FullName;

    public void Dispose()
    {
        _network.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Without_a_report_frozen_weights_are_of_unknown_origin()
    {
        var exception = Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("stem").Apply(_network));
        Assert.Equal(
            "6 tensors would be frozen without having been loaded: stem.conv.weight (of unknown origin), stem.conv.bias (of unknown origin), "
            + "stem.bn.weight (of unknown origin) and 3 more; load them, or state allow-random (allowRandom: true in code)",
            exception.Message);
        Assert.All(_network.parameters(), parameter => Assert.True(parameter.requires_grad));

        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        Assert.Equal(6, frozen.Plan.Doubts.Count);
        Assert.Contains("frozen without having been loaded", frozen.Describe());
    }

    [Fact]
    public void Drawn_weights_are_refused_and_loaded_ones_are_not()
    {
        using var checkpoint = Checkpoint.Open(Save(entry => entry.Name != "stem.conv.bias"));
        var drawn = new InitializationPlan().Draw("**", InitializationScheme.PyTorch);
        var report = drawn.Load("!stem.conv.bias & !head", checkpoint).Apply(_network, seed: 7);

        Assert.StartsWith(
            "1 tensor would be frozen without having been loaded: stem.conv.bias (drawn by ",
            Assert.Throws<FreezeException>(() => new FreezePlan().Freeze("!head").Apply(_network, report)).Message);
        Assert.Equal(["stem.conv.bias"], new FreezePlan().Freeze("!head").Preview(_network, report).Doubts.Select(doubt => doubt.Name));
        using var frozen = new FreezePlan().Freeze("!head").Train("stem.conv.bias").Apply(_network, report);
        frozen.Verify();
    }

    [Fact]
    public void Statistics_that_were_never_loaded_are_refused_under_a_held_norm_and_counters_are_not()
    {
        using var checkpoint = Checkpoint.Open(Save(entry => !entry.Name.Contains("stem.bn.r", StringComparison.Ordinal) && !entry.Name.EndsWith("tracked", StringComparison.Ordinal)));
        var report = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Load("** & !regex:^stem.bn.(run|num)", checkpoint).Apply(_network, seed: 7);

        var plan = new FreezePlan().Train("**").Norm("stem.bn", NormPolicy.Hold);
        Assert.Contains("stem.bn.running_mean (drawn by ", Assert.Throws<FreezeException>(() => plan.Apply(_network, report)).Message);
        // Old checkpoints lack the counters; that tells nothing.
        new FreezePlan().Freeze("list | dict | block").Apply(_network, report).Dispose();
    }

    [Fact]
    public void Values_that_were_set_are_nobodys_random_draw()
    {
        var report = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Set("head", 0.5).Apply(_network, seed: 7);
        new FreezePlan().Freeze("head").Apply(_network, report).Dispose();
    }

    private string Save(Func<TensorEntry, bool> which)
    {
        var path = Path.Combine(_folder, "weights.safetensors");
        SafetensorsWriter.Write(path, [.. ModuleTree.Of(_network).DistinctTensors
            .Where(entry => entry.Persistent && which(entry))
            .Select(entry => new TensorSource(
                new TensorInfo(entry.Name, TensorBytes.TypeOf(entry.Tensor), entry.Tensor.shape), stream => stream.Write(TensorBytes.Read(entry.Tensor))))]);
        return path;
    }
}
