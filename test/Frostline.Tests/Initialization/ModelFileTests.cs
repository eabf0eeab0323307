using System.Text;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class ModelFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("frostline-model-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string PathOf(string name) => Path.Combine(_folder, name);

    [Fact]
    public void Round_trip_is_exact_and_deterministic()
    {
        using var network = new SmallNetwork();
        var report = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, 7);
        var metadata = new Dictionary<string, string> { ["frostline.version"] = "1" };
        ModelFile.Save(network, PathOf("a.safetensors"), metadata, report);
        ModelFile.Save(network, PathOf("b.safetensors"), metadata, report);
        Assert.Equal(File.ReadAllBytes(PathOf("a.safetensors")), File.ReadAllBytes(PathOf("b.safetensors")));
        Assert.DoesNotContain(
            _folder, Encoding.UTF8.GetString(File.ReadAllBytes(PathOf("a.safetensors"))), StringComparison.Ordinal);

        using var checkpoint = Checkpoint.Open(PathOf("a.safetensors"));
        Assert.Equal("1", checkpoint.Metadata["frostline.version"]);
        Assert.Equal(report.ToJson(), ModelFile.ProvenanceOf(checkpoint)!.ToJson());
        // Persistent entries only, in the order of PyTorch's state_dict (TorchSharp's puts all parameters first).
        Assert.Equal(
            ["conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked", "fc.weight",
                "fc.bias"],
            checkpoint.Tensors.Select(t => t.Name));
        Assert.Equal(
            network.state_dict().Keys.Order(StringComparer.Ordinal),
            checkpoint.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal));

        using var back = new SmallNetwork();
        ModelFile.Load(back, PathOf("a.safetensors"));
        Networks.AssertEqual(Networks.Values(network), Networks.Values(back));
    }

    [Fact]
    public void Loading_is_strict_and_leaves_the_network_alone_on_errors()
    {
        using var large = new SmallNetwork(withExtra: true);
        using var small = new SmallNetwork();
        using var heads = new SmallNetwork(classes: 5);
        var before = Networks.Values(small);
        ModelFile.Save(large, PathOf("large.safetensors"));
        ModelFile.Save(heads, PathOf("heads.safetensors"));
        ModelFile.Save(small, PathOf("small.safetensors"));
        string Load(torch.nn.Module network,
            string file) => Assert.Throws<InitializationException>(() => ModelFile.Load(network, PathOf(file))).Message;

        Assert.Equal(
            "large.safetensors holds \"extra.weight\" and 1 more, which the network lacks; it was written from another network",
            Load(small, "large.safetensors"));
        Assert.Contains(
            "fc.weight is [3, 4] in the network and [5, 4] in the file",
            Load(small, "heads.safetensors"),
            StringComparison.Ordinal);
        Assert.Contains("missing: extra.weight, extra.bias", Load(large, "small.safetensors"), StringComparison.Ordinal);
        Networks.AssertEqual(before, Networks.Values(small));
        heads.to(torch.float64);
        Assert.Contains(
            "the network has Float64; convert the network first", Load(heads, "heads.safetensors"), StringComparison.Ordinal);
        Assert.Throws<CheckpointException>(() => ModelFile.Load(small, PathOf("absent.safetensors")));
    }

    [Fact]
    public void Provenance_goes_back_through_generations()
    {
        using var first = new SmallNetwork();
        var drawn = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(first, 7);
        ModelFile.Save(first, PathOf("first.safetensors"), provenance: drawn.WithTrained(["fc.weight", "fc.bias"]));

        using var second = new SmallNetwork();
        using var firstFile = Checkpoint.Open(PathOf("first.safetensors"));
        var loaded = new InitializationPlan().Load("**", firstFile).Set("fc.bias", 0).Apply(second, 8);
        ModelFile.Save(second, PathOf("second.safetensors"), provenance: loaded);

        using var third = new SmallNetwork();
        var report = ModelFile.Load(third, PathOf("second.safetensors"));
        var parent = report.Loads[0].Parent!;
        var grandparent = parent.Loads[0].Parent!;
        Assert.Equal("second.safetensors", report.Loads[0].File);
        Assert.Equal("first.safetensors", parent.Loads[0].File);
        Assert.Equal(firstFile.ContentHash(), parent.Loads[0].Hash);
        Assert.Equal(7, Assert.IsType<Origin.Drawn>(grandparent.Find("conv.weight")!.Origin).Seed);

        // Never trained in any generation: freezing it would freeze noise.
        Assert.StartsWith(
            "loaded from second.safetensors, where it was loaded from first.safetensors, where it was drawn by kaiming-uniform",
            report.DoubtOf("conv.weight"),
            StringComparison.Ordinal);
        Assert.Null(report.DoubtOf("fc.weight"));
        Assert.Null(report.DoubtOf("fc.bias"));
    }

    [Fact]
    public void A_provenance_that_cannot_be_read_is_remarked()
    {
        using var network = new SmallNetwork();
        ModelFile.Save(network, PathOf("odd.safetensors"), new Dictionary<string, string> { [ModelFile.ProvenanceKey] = "{}" });
        var report = ModelFile.Load(network, PathOf("odd.safetensors"));
        Assert.Null(report.Loads[0].Parent);
        Assert.StartsWith("the provenance cannot be read", Assert.Single(report.Loads[0].Remarks), StringComparison.Ordinal);
    }
}
