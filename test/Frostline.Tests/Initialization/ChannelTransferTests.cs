using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

/// <summary>Weights from relatives that are wider, narrower, deeper or flat: against formulas, PyTorch, and what the network computes.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class ChannelTransferTests
{
    private const string Script =
        """
        import sys, torch
        import numpy as np
        folder = sys.argv[1]
        def read(name, *shape):
            return torch.from_numpy(np.fromfile(f"{folder}/{name}.in").reshape(shape))
        def save(name, tensor):
            tensor.contiguous().numpy().tofile(f"{folder}/{name}.out")
        save("first", read("first", 6, 4, 3, 2)[:4, :3])
        save("average", read("average", 6, 4, 3, 2).reshape(3, 2, 2, 2, 3, 2).mean(1).sum(2))
        save("turned", read("turned", 6, 4, 3, 2).reshape(3, 2, 2, 2, 3, 2).sum(1).mean(2))
        save("widen", read("widen", 3, 2, 3, 2).repeat_interleave(2, 0).repeat_interleave(3, 1) / 3)
        save("linear", read("linear", 3, 2).repeat_interleave(2, 0).repeat_interleave(3, 1) / 3)
        save("inflate", read("inflate", 4, 3, 3, 2).unsqueeze(2).repeat(1, 1, 5, 1, 1) / 5)
        """;

    private static LoadOptions First(string of = "**") => new() { Narrow = new Narrowing { Of = of } };

    private static LoadOptions Average(string of = "**") => new() { Narrow = new Narrowing { Of = of, By = NarrowRule.Average } };

    private static LoadOptions Widen(string of = "**") => new() { Widen = of };

    [Fact]
    public void Every_weight_has_the_values_that_PyTorch_computes()
    {
        using var folder = new TemporaryFolder();
        (string Name, long[] Old, nn.Module Layer, LoadOptions Options)[] cases =
        [
            ("first", [6, 4, 3, 2], nn.Conv2d(3, 4, (3L, 2L), bias: false), First()),
            ("average", [6, 4, 3, 2], nn.Conv2d(2, 3, (3L, 2L), bias: false), Average()),
            ("turned", [6, 4, 3, 2], nn.ConvTranspose2d(3, 2, (3L, 2L), bias: false), Average()),
            ("widen", [3, 2, 3, 2], nn.Conv2d(6, 6, (3L, 2L), bias: false), Widen()),
            ("linear", [3, 2], nn.Linear(6, 6, hasBias: false), Widen()),
            ("inflate", [4, 3, 3, 2], nn.Conv3d(3, 4, (5L, 3L, 2L), bias: false), new LoadOptions { Inflate = "**" }),
        ];
        foreach (var (name, old, _, _) in cases)
            File.WriteAllBytes(folder.PathOf(name + ".in"), MemoryMarshal.AsBytes<double>(TableNetwork.Numbers(old.Aggregate(1L, (a, b) => a * b), 0)).ToArray());
        PythonPeer.Run("torch", Script, folder.Path);
        foreach (var (name, old, layer, options) in cases)
        {
            using var network = layer.to(float64);
            using var file = TableNetwork.File(("weight", old));
            new InitializationPlan().Load("**", file, options: options).Apply(network, 1);
            var theirs = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(folder.PathOf(name + ".out"))).ToArray();
            var ours = MemoryMarshal.Cast<byte, double>(Networks.Values(network)["weight"]).ToArray();
            Assert.Equal(theirs.Length, ours.Length);
            for (var i = 0; i < ours.Length; i++) Assert.True(Math.Abs(theirs[i] - ours[i]) <= 1e-14, $"{name}, element {i}: {ours[i]:R} here, {theirs[i]:R} there");
        }
    }

    [Theory]
    [InlineData(8, 12, 8)]
    [InlineData(6, 10, 7)]
    [InlineData(4, 18, 4)]
    public void A_widened_network_computes_what_it_computed(int first, int second, int third)
    {
        using var narrow = Chain(4, 6, 4, seed: 1);
        using var wide = Chain(first, second, third, seed: 2);
        using var file = Networks.Checkpoint(narrow);
        using var input = torch.rand([2, 3, 7, 7], float64, generator: new Generator(3));
        using var expected = narrow.call(input);
        using var before = wide.call(input);
        var report = new InitializationPlan().Load("**", file, options: Widen()).Apply(wide, 1);
        using var actual = wide.call(input);
        Assert.False(expected.allclose(before));
        using var difference = expected - actual;
        using var greatest = difference.abs().max();
        Assert.InRange(greatest.item<double>(), 0, 1e-13);
        Assert.All(report.Tensors, tensor => Assert.IsType<Origin.Loaded>(tensor.Origin));
    }

    [Fact]
    public void The_average_of_neighbours_takes_a_widening_back_and_the_first_channels_are_a_corner()
    {
        using var narrow = Chain(4, 6, 4, seed: 1);
        using var wide = Chain(8, 18, 8, seed: 2);
        using var back = Chain(4, 6, 4, seed: 3);
        using var narrowFile = Networks.Checkpoint(narrow);
        new InitializationPlan().Load("**", narrowFile, options: Widen()).Apply(wide, 1);
        using var wideFile = Networks.Checkpoint(wide);
        new InitializationPlan().Load("**", wideFile, options: Average()).Apply(back, 1);
        foreach (var (name, bytes) in Networks.Values(narrow))
        {
            if (bytes.Length == 8) continue;
            var (one, other) = (MemoryMarshal.Cast<byte, double>(bytes).ToArray(), MemoryMarshal.Cast<byte, double>(Networks.Values(back)[name]).ToArray());
            for (var i = 0; i < one.Length; i++) Assert.Equal(one[i], other[i], 1e-14);
        }

        new InitializationPlan().Load("**", wideFile, options: First()).Apply(back, 1);
        using var corner = Of(wide, "b.weight")[..6, ..2];
        Assert.Equal(TensorBytes.Read(corner.contiguous()), Networks.Values(back)["b.weight"]);
        using var variances = Of(wide, "n.running_var")[..4];
        Assert.Equal(TensorBytes.Read(variances.contiguous()), Networks.Values(back)["n.running_var"]);
    }

    [Fact]
    public void An_inflated_convolution_answers_a_video_that_stands_still_as_it_answered_the_image()
    {
        using var flat = nn.Conv2d(3, 4, 3).to(float64);
        using var deep = nn.Conv3d(3, 4, (5L, 3L, 3L)).to(float64);
        using var file = Networks.Checkpoint(flat);
        var report = new InitializationPlan().Load("**", file, options: new LoadOptions { Inflate = "weight" }).Apply(deep, 1);
        using var image = torch.rand([1, 3, 6, 6], float64, generator: new Generator(1));
        using var video = image.unsqueeze(2).expand(1, 3, 5, 6, 6);
        using var expected = flat.call(image);
        using var actual = deep.call(video).squeeze(2);
        Assert.True(expected.allclose(actual, rtol: 0, atol: 1e-13));
        Assert.Equal(
            "weight: inflate, repeated 5 times and divided, [4, 3, 3, 3] in the file and [4, 3, 5, 3, 3] in the network",
            Assert.Single(report.Loads[0].Adapted).ToString());
    }

    [Fact]
    public void What_was_adapted_is_reported_with_both_shapes_and_stays_in_the_provenance()
    {
        using var wide = Chain(8, 12, 8, seed: 2);
        using var network = Chain(4, 6, 4, seed: 1);
        using var file = Networks.Checkpoint(wide);
        var report = new InitializationPlan().Load("**", file, options: Average()).Apply(network, 1);
        var load = report.Loads[0];
        Assert.Equal("small.safetensors: 13 of 13 tensors loaded, 11 adapted, 11 of another shape", load.ToString());
        Assert.Contains(load.Adapted, tensor => tensor.ToString()
            == "b.weight: narrow, average, outputs 12 to 6, inputs 4 to 2, [12, 4, 3, 3] in the file and [6, 2, 3, 3] in the network");
        var back = InitializationReport.FromJson(report.ToJson());
        Assert.Equal("narrow, average, inputs 12 to 6, outputs 8 to 4", Assert.IsType<Origin.Loaded>(back.Find("t.weight")!.Origin).Adapted);
        Assert.Equal("narrow, average, outputs 8 to 4", Assert.IsType<Origin.Loaded>(back.Find("n.running_mean")!.Origin).Adapted);

        report = new InitializationPlan().Load("**", Networks.Checkpoint(network), options: Widen()).Apply(network, 1);
        Assert.Equal(["widen \"**\": the shapes agree, loaded as it is"], report.Loads[0].Remarks);
    }

    [Fact]
    public void What_does_not_fit_is_refused_in_one_line_and_nothing_changes()
    {
        string Fails(nn.Module network, long[] old, LoadOptions options, string name = "weight")
        {
            using var file = TableNetwork.File((name, old));
            var before = Networks.Values(network);
            var message = Assert.ThrowsAny<FrostlineException>(() => new InitializationPlan().Load(name, file, options: options).Apply(network, 1)).Message;
            Networks.AssertEqual(before, Networks.Values(network));
            Assert.DoesNotContain('\n', message);
            return message;
        }

        using var convolution = nn.Conv2d(4, 6, 3);
        Assert.Contains("narrow \"**\": weight is narrower in the file: [6, 3, 3, 3] in the file", Fails(convolution, [6, 3, 3, 3], First()), StringComparison.Ordinal);
        Assert.Contains("weight is wider in the file: [6, 5, 3, 3] in the file", Fails(convolution, [6, 5, 3, 3], Widen()), StringComparison.Ordinal);
        Assert.Contains("weight has 7 channels, which are no 6 equal groups", Fails(convolution, [7, 4, 3, 3], Average()), StringComparison.Ordinal);
        Assert.Contains("weight may differ in its channels only: [6, 4, 5, 5]", Fails(convolution, [6, 4, 5, 5], First()), StringComparison.Ordinal);
        Assert.Contains("weight may differ in its channels only: [6, 4]", Fails(convolution, [6, 4], Widen()), StringComparison.Ordinal);
        Assert.Contains("weight has no values", Fails(convolution, [6, 0, 3, 3], Widen()), StringComparison.Ordinal);
        Assert.Contains("no pair of weights with 4 and 5 dimensions", Fails(convolution, [6, 4, 1, 3], new LoadOptions { Inflate = "**" }), StringComparison.Ordinal);
        using var deep = nn.Conv3d(4, 6, 3);
        Assert.Contains("may differ in the new third dimension only: [6, 5, 3, 3]", Fails(deep, [6, 5, 3, 3], new LoadOptions { Inflate = "**" }), StringComparison.Ordinal);
        using var embedding = nn.Embedding(5, 4);
        Assert.Contains("weight belongs to a layer of type Embedding, whose channels are not known", Fails(embedding, [9, 4], First()), StringComparison.Ordinal);
        Assert.Contains(
            "weight is in narrow \"**\" and in widen \"weight\"; give it one policy",
            Fails(convolution, [9, 4, 3, 3], new LoadOptions { Narrow = new() { Of = "**" }, Widen = "weight" }), StringComparison.Ordinal);
    }

    [Fact]
    public void Layers_of_a_deeper_network_are_taken_by_name()
    {
        using var deep = Blocks(6);
        using var shallow = Blocks(3);
        using var file = Networks.Checkpoint(deep);
        // The first ones need no rule: their names are the same.
        var report = new InitializationPlan().Load("**", file).Apply(shallow, 1);
        Assert.Equal(6, report.Loads[0].Unexpected.Count);
        Assert.Equal(Networks.Values(deep)["layer.2.weight"], Networks.Values(shallow)["layer.2.weight"]);

        // Every second one.
        var map = KeyMap.Identity.Rename(@"^layer\.([135])\.", "left.$1.").Rename(@"^layer\.2\.", "layer.1.").Rename(@"^layer\.4\.", "layer.2.");
        report = new InitializationPlan().Load("**", file, map).Apply(shallow, 1);
        for (var i = 0; i < 3; i++) Assert.Equal(Networks.Values(deep)[$"layer.{2 * i}.weight"], Networks.Values(shallow)[$"layer.{i}.weight"]);
        Assert.Equal("layer.4.bias", Assert.IsType<Origin.Loaded>(report.Find("layer.2.bias")!.Origin).Key);

        // A shallower relative fills what it has; the rest is drawn.
        using var small = Networks.Checkpoint(shallow);
        report = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Load("**", small, options: new LoadOptions { Require = 0.5 }).Apply(deep, 1);
        Assert.Equal((6, 6), (report.Loaded.Count, report.Drawn.Count));
    }

    private static Tensor Of(nn.Module network, string name) => ModuleTree.Of(network).Find(name)!.Tensor;

    private static TorchSharp.Modules.Sequential Blocks(int count)
    {
        var layer = nn.Sequential();
        for (var i = 0; i < count; i++) layer.append(nn.Linear(3, 3));
        return nn.Sequential(("layer", layer));
    }

    /// <summary>A float64 network in inference mode with a norm, grouped and transposed convolutions, and random values everywhere.</summary>
    private static TorchSharp.Modules.Sequential Chain(int first, int second, int third, long seed)
    {
        var network = nn.Sequential(
            ("a", nn.Conv2d(3, first, 3)),
            ("n", nn.BatchNorm2d(first)),
            ("r", nn.ReLU()),
            ("b", nn.Conv2d(first, second, 3, groups: 2)),
            ("s", nn.ReLU()),
            ("t", nn.ConvTranspose2d(second, third, 2)),
            ("u", nn.ReLU()),
            ("p", nn.AdaptiveAvgPool2d(1)),
            ("f", nn.Flatten()),
            ("l", nn.Linear(third, 5)));
        network.to(float64);
        network.eval();
        new InitializationPlan().Draw("**", new Uniform(-1, 1)).Draw("n.running_mean | n.running_var", new Uniform(0.5, 1.5)).Apply(network, seed);
        return network;
    }
}
