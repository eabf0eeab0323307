using System.Runtime.InteropServices;
using Frostline.Initialization;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Tests.Initialization;

/// <summary>What the policies compute, against PyTorch in float64.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class LoadPolicyPeerTests
{
    private const string Script =
        """
        import math, sys, torch
        import numpy as np
        folder = sys.argv[1]
        def read(name, *shape):
            return torch.from_numpy(np.fromfile(f"{folder}/{name}.in").reshape(shape))
        def save(name, tensor):
            tensor.contiguous().numpy().tofile(f"{folder}/{name}.out")
        def resize(grid, *size):
            return torch.nn.functional.interpolate(grid, size=size, mode="bicubic", align_corners=False)
        def average(name, old, n):
            w = read(name, 4, old, 3, 2)
            save(name, (w.mean(1, keepdim=True) * old / n).repeat(1, n, 1, 1))
        def repeat(name, old, n):
            w = read(name, 4, old, 3, 2)
            if n == 1: return save(name, w.sum(1, keepdim=True))
            save(name, w.repeat(1, math.ceil(n / old), 1, 1)[:, :n] * (old / n))
        def table(name, tokens, old, new, width):
            t = read(name, 1, tokens + old[0] * old[1], width)
            grid = t[:, tokens:].reshape(1, old[0], old[1], width).permute(0, 3, 1, 2)
            grid = resize(grid, *new).permute(0, 2, 3, 1).reshape(1, new[0] * new[1], width)
            save(name, torch.cat([t[:, :tokens], grid], 1))
        average("average1", 3, 1); average("average4", 3, 4); average("average-of-1", 1, 3)
        repeat("repeat1", 3, 1); repeat("repeat2", 3, 2); repeat("repeat4", 3, 4); repeat("repeat9", 3, 9)
        table("vit", 1, (14, 14), (16, 20), 8)
        table("small", 0, (7, 7), (5, 5), 3)
        table("deit", 2, (4, 4), (9, 9), 5)
        table("oblong", 1, (6, 4), (3, 11), 2)
        table("clip", 1, (5, 5), (7, 7), 4)
        table("swin", 0, (13, 13), (15, 15), 4)
        save("planes", resize(read("planes", 1, 4, 7, 9), 5, 12))
        save("line", resize(read("line", 27, 4).t().reshape(1, 4, 1, 27), 1, 31).reshape(4, 31).t())
        save("biases", resize(read("biases", 1, 1, 1, 9), 1, 4).flatten())
        """;

    private static readonly (string Name, ChannelRule By, int Old, int New)[] s_convolutions =
    [
        ("average1", ChannelRule.Average, 3, 1), ("average4", ChannelRule.Average, 3, 4), ("average-of-1", ChannelRule.Average, 1, 3),
        ("repeat1", ChannelRule.Repeat, 3, 1), ("repeat2", ChannelRule.Repeat, 3, 2), ("repeat4", ChannelRule.Repeat, 3, 4),
        ("repeat9", ChannelRule.Repeat, 3, 9),
    ];

    private static readonly (string Name, long[] Old, long[] New, PositionTables Policy)[] s_tables =
    [
        ("vit", [1, 197, 8], [1, 321, 8], new() { Of = "table", To = [16, 20] }),
        ("small", [1, 49, 3], [1, 25, 3], new() { Of = "table" }),
        ("deit", [1, 18, 5], [1, 83, 5], new() { Of = "table", ClassTokens = 2 }),
        ("oblong", [1, 25, 2], [1, 34, 2], new() { Of = "table", From = [6, 4], To = [3, 11] }),
        ("clip", [26, 4], [50, 4], new() { Of = "table", ClassTokens = 1 }),
        ("swin", [169, 4], [225, 4], new() { Of = "table", From = [13, 13], To = [15, 15] }),
        ("planes", [1, 4, 7, 9], [1, 4, 5, 12], new() { Of = "table" }),
        ("line", [27, 4], [31, 4], new() { Of = "table" }),
        ("biases", [9], [4], new() { Of = "table" }),
    ];

    [Fact]
    public void Every_adapted_tensor_has_PyTorchs_values()
    {
        using var folder = new TemporaryFolder();
        foreach (var (name, _, old, _) in s_convolutions) Write(folder, name, 4 * old * 6);
        foreach (var (name, old, _, _) in s_tables) Write(folder, name, old.Aggregate(1L, (a, b) => a * b));
        PythonPeer.Run("torch", Script, folder.Path);
        foreach (var (name, by, old, now) in s_convolutions)
            Compare(folder, name, [4, old, 3, 2], [4, now, 3, 2], new LoadOptions { FirstConv = new FirstConvolution { Of = "table", By = by } });
        foreach (var (name, old, now, policy) in s_tables) Compare(folder, name, old, now, new LoadOptions { Interpolate = policy });
    }

    private static void Write(TemporaryFolder folder, string name, long count) =>
        File.WriteAllBytes(folder.PathOf(name + ".in"), MemoryMarshal.AsBytes<double>(TableNetwork.Numbers(count, 0)).ToArray());

    private static void Compare(TemporaryFolder folder, string name, long[] old, long[] now, LoadOptions options)
    {
        using var network = new TableNetwork(torch.float64, ("table", now));
        using var file = TableNetwork.File(("table", old));
        new InitializationPlan().Load("**", file, options: options).Apply(network, 1);
        var theirs = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(folder.PathOf(name + ".out"))).ToArray();
        var ours = network.Values("table");
        Assert.Equal(theirs.Length, ours.Length);
        for (var i = 0; i < ours.Length; i++) Assert.True(Math.Abs(theirs[i] - ours[i]) <= 1e-12, $"{name}, element {i}: {ours[i]:R} here, {theirs[i]:R} there");
    }
}
