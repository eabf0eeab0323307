using System.Globalization;
using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Initialization;

/// <summary>
/// Equality in distribution with PyTorch: two samples, one of each, by Kolmogorov and Smirnov. With m and n values,
/// D * sqrt(m n / (m + n)) exceeds 2.2 with probability 1.2e-4 where the distributions are equal; both seeds are fixed.
/// </summary>
public sealed class PyTorchPeerTests
{
    private const double Critical = 2.2;

    private const string Script =
        """
        import sys, torch
        from torch import nn
        from torch.nn import init
        torch.manual_seed(11)
        folder = sys.argv[1]
        def save(name, tensor):
            open(f"{folder}/{name}", "wb").write(tensor.detach().float().contiguous().numpy().tobytes())
        def draw(name, shape, function, *args, **kwargs):
            save(name, function(torch.empty(*shape), *args, **kwargs))
        conv = (64, 32, 3, 5)
        draw("uniform", conv, init.uniform_, -1, 3)
        draw("normal", conv, init.normal_, 1, 0.5)
        draw("truncated", conv, init.trunc_normal_)
        draw("truncated-narrow", conv, init.trunc_normal_, 0.5, 1, 0, 0.7)
        draw("xavier-uniform", conv, init.xavier_uniform_, gain=init.calculate_gain("tanh"))
        draw("xavier-normal", conv, init.xavier_normal_)
        draw("kaiming-uniform", conv, init.kaiming_uniform_)
        draw("kaiming-normal", conv, init.kaiming_normal_)
        draw("kaiming-out", conv, init.kaiming_normal_, mode="fan_out", nonlinearity="relu")
        draw("kaiming-leaky", conv, init.kaiming_normal_, a=0.3)
        draw("kaiming-selu", conv, init.kaiming_uniform_, nonlinearity="selu")
        draw("kaiming-linear", conv, init.kaiming_uniform_, nonlinearity="linear")
        save("orthogonal", torch.stack([init.orthogonal_(torch.empty(4, 9), gain=2) for _ in range(1000)]))
        save("orthogonal-tall", torch.stack([init.orthogonal_(torch.empty(9, 4)) for _ in range(1000)]))
        draw("sparse", (100, 300), init.sparse_, 0.25, std=0.3)
        draw("dirac", (6, 2, 3, 4), init.dirac_, 2)
        draw("dirac-1d", (3, 5, 4), init.dirac_)
        draw("eye", (3, 5), init.eye_)
        layer = nn.Conv2d(20, 20000, (2, 3)); save("layer-conv", layer.weight[:200]); save("layer-conv-bias", layer.bias)
        layer = nn.ConvTranspose2d(20, 40, 3); save("layer-up", layer.weight)
        save("layer-up-bias", torch.stack([nn.ConvTranspose2d(20, 40, 3).bias for _ in range(300)]))
        layer = nn.Linear(30, 20000); save("layer-linear", layer.weight[:500]); save("layer-linear-bias", layer.bias)
        """;

    private static readonly (string Name, Initializer Initializer, long[] Shape)[] s_draws =
    [
        ("uniform", new Uniform(-1, 3), [64, 32, 3, 5]),
        ("normal", new Normal(1, 0.5), [64, 32, 3, 5]),
        ("truncated", new TruncatedNormal(), [64, 32, 3, 5]),
        ("truncated-narrow", new TruncatedNormal(0.5, 1, 0, 0.7), [64, 32, 3, 5]),
        ("xavier-uniform", new XavierUniform(Gains.Of(Nonlinearity.Tanh)), [64, 32, 3, 5]),
        ("xavier-normal", new XavierNormal(), [64, 32, 3, 5]),
        ("kaiming-uniform", new KaimingUniform(), [64, 32, 3, 5]),
        ("kaiming-normal", new KaimingNormal(), [64, 32, 3, 5]),
        ("kaiming-out", new KaimingNormal(FanMode.Out, Nonlinearity.Relu), [64, 32, 3, 5]),
        ("kaiming-leaky", new KaimingNormal(slope: 0.3), [64, 32, 3, 5]),
        ("kaiming-selu", new KaimingUniform(nonlinearity: Nonlinearity.Selu), [64, 32, 3, 5]),
        ("kaiming-linear", new KaimingUniform(nonlinearity: Nonlinearity.Linear), [64, 32, 3, 5]),
        ("layer-conv", new KaimingUniform(slope: Math.Sqrt(5)), [200, 20, 2, 3]),
        ("layer-up", new KaimingUniform(slope: Math.Sqrt(5)), [20, 40, 3, 3]),
        ("layer-linear", new KaimingUniform(slope: Math.Sqrt(5)), [500, 30]),
    ];

    [Fact]
    public void Every_draw_is_distributed_as_PyTorchs()
    {
        using var folder = new TemporaryFolder();
        PythonPeer.Run("torch", Script, folder.Path);
        float[] Theirs(string name) => [.. MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(folder.PathOf(name)))];

        foreach (var (name, initializer, shape) in s_draws) AssertAlike(name, Theirs(name), Draw(name, initializer, shape));
        AssertAlike("layer-conv-bias", Theirs("layer-conv-bias"), Bias([20_000, 20, 2, 3], 20_000));
        AssertAlike("layer-up-bias", Theirs("layer-up-bias"), Bias([20, 40, 3, 3], 12_000));
        AssertAlike("layer-linear-bias", Theirs("layer-linear-bias"), Bias([20_000, 30], 20_000));

        // The elements of one orthogonal matrix depend on each other: one element of each of many matrices.
        (string Name, int Rows, int Columns, double Gain)[] matrices = [("orthogonal", 4, 9, 2), ("orthogonal-tall", 9, 4, 1)];
        foreach (var (name, rows, columns, gain) in matrices)
        {
            var theirs = Theirs(name).Chunk(rows * columns).ToList();
            var ours = Enumerable.Range(0, 1000).Select(i => Draw($"{name}{i}", new Orthogonal(gain), [rows, columns])).ToList();
            for (var element = 0; element < rows * columns; element += 7)
                AssertAlike($"{name} {element}", [.. theirs.Select(m => m[element])], [.. ours.Select(m => m[element])]);
        }

        var (sparse, mine) = (Theirs("sparse"), Draw("sparse", new Sparse(0.25, 0.3), [100, 300]));
        AssertAlike("sparse", [.. sparse.Where(v => v != 0)], [.. mine.Where(v => v != 0)]);
        Assert.Equal(sparse.Count(v => v == 0), mine.Count(v => v == 0));
        Assert.Equal(Theirs("dirac"), Draw("dirac", new Dirac(2), [6, 2, 3, 4]));
        Assert.Equal(Theirs("dirac-1d"), Draw("dirac-1d", new Dirac(), [3, 5, 4]));
        Assert.Equal(Theirs("eye"), Draw("eye", new Eye(), [3, 5]));
    }

    [Fact]
    public void The_comparison_sees_small_differences()
    {
        var normal = Draw("a", new Normal(), [30_000]);
        Assert.True(Distance(normal, Draw("b", new Normal(), [30_000])) < Critical);
        Assert.True(Distance(normal, Draw("b", new Normal(0, 1.15), [30_000])) > Critical);
        Assert.True(Distance(normal, Draw("b", new Normal(0.08), [30_000])) > Critical);
        Assert.True(Distance(normal, Draw("b", new TruncatedNormal(), [30_000])) > Critical);
    }

    private static float[] Bias(long[] weight, int count) => Draw(
        new InitializationTarget(new TensorInfo("bias", TensorType.Float32, [count]),
            new TensorInfo("weight", TensorType.Float32, weight)), new FanInBias());

    private static float[] Draw(string name, Initializer initializer, long[] shape) =>
        Draw(new InitializationTarget(new TensorInfo(name, TensorType.Float32, shape)), initializer);

    private static float[] Draw(InitializationTarget target, Initializer initializer)
    {
        var values = new double[target.Tensor.ElementCount];
        initializer.Fill(target, values, new CounterRandom(5, target.Tensor.Name));
        return [.. values.Select(v => (float)v)];
    }

    private static void AssertAlike(string name, float[] a, float[] b)
    {
        var distance = Distance(a, b);
        Assert.True(
            distance < Critical,
            string.Create(CultureInfo.InvariantCulture, $"{name}: {distance:F2} with {a.Length} and {b.Length} values"));
    }

    // The two-sample statistic, scaled so that its distribution does not depend on the sizes.
    private static double Distance(float[] a, float[] b)
    {
        var (x, y) = (a.Order().ToArray(), b.Order().ToArray());
        var (i, j, most) = (0, 0, 0.0);
        while (i < x.Length && j < y.Length)
        {
            var at = Math.Min(x[i], y[j]);
            while (i < x.Length && x[i] <= at) i++;
            while (j < y.Length && y[j] <= at) j++;
            most = Math.Max(most, Math.Abs(((double)i / x.Length) - ((double)j / y.Length)));
        }

        return most * Math.Sqrt((double)x.Length * y.Length / (x.Length + y.Length));
    }
}
