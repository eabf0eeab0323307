using Frostline.Checkpoints;
using Frostline.Initialization;
using Xunit;

namespace Frostline.Tests.Initialization;

public sealed class InitializerTests
{
    // Deviations of an estimate from theory are allowed up to this many standard errors; beyond it lies 6e-7 of a normal
    // distribution, and the seeds are fixed.
    private const double Sigmas = 5;

    private static InitializationTarget Target(params long[] shape) => new(new TensorInfo("w", TensorType.Float32, shape));

    private static double[] Values(Initializer initializer, InitializationTarget target, long seed = 1, string name = "w")
    {
        initializer.Check(target);
        var values = new double[target.Tensor.ElementCount];
        initializer.Fill(target, values, new CounterRandom(seed, name));
        return values;
    }

    private static double Mean(double[] values) => values.Average();

    private static double Variance(double[] values, double mean) => values.Average(v => (v - mean) * (v - mean));

    private static void AssertUniform(double[] values, double low, double high)
    {
        var (n, width) = (values.Length, high - low);
        Assert.All(values, v => Assert.InRange(v, low, high));
        Assert.True(values.Max() > high - (width * 20 / n) && values.Min() < low + (width * 20 / n), "the range is not filled");
        Assert.Equal((low + high) / 2, Mean(values), Sigmas * width / Math.Sqrt(12.0 * n));
        // The variance of (x - centre)^2 is width^4 / 180.
        Assert.Equal(width * width / 12, Variance(values, (low + high) / 2), Sigmas * width * width / Math.Sqrt(180.0 * n));
    }

    private static void AssertNormal(double[] values, double mean, double deviation)
    {
        var n = values.Length;
        Assert.Equal(mean, Mean(values), Sigmas * deviation / Math.Sqrt(n));
        Assert.Equal(deviation * deviation, Variance(values, mean), Sigmas * deviation * deviation * Math.Sqrt(2.0 / n));
        var fourth = values.Average(v => Math.Pow((v - mean) / deviation, 4));
        Assert.Equal(3, fourth, Sigmas * Math.Sqrt(96.0 / n));
        AssertDistribution(values, x => NormalDistribution.Cumulative((x - mean) / deviation));
    }

    // Kolmogorov and Smirnov: D * sqrt(n) exceeds 2.2 with probability 1.2e-4.
    private static void AssertDistribution(double[] values, Func<double, double> cumulative)
    {
        var sorted = values.Order().ToArray();
        var distance = sorted.Select((v, i) => Math.Max(((i + 1.0) / sorted.Length) - cumulative(v),
            cumulative(v) - ((double)i / sorted.Length))).Max();
        Assert.True(distance * Math.Sqrt(sorted.Length) < 2.2, $"D sqrt(n) = {distance * Math.Sqrt(sorted.Length)}");
    }

    [Fact]
    public void Constants()
    {
        Assert.All(Values(new Constant(2.5), Target(3, 4)), v => Assert.Equal(2.5, v));
        Assert.All(Values(Constant.Zeros, Target(3)), v => Assert.Equal(0, v));
        Assert.All(Values(Constant.Ones, Target()), v => Assert.Equal(1, v));
        Assert.Equal(-Math.Log(99), Assert.Single(Values(new PriorProbability(), Target(1))), 12);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-3, -2.5)]
    public void Uniform_fills_its_range(double low, double high) =>
        AssertUniform(Values(new Uniform(low, high), Target(100_000)), low, high);

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-3, 0.01)]
    public void Normal_has_its_moments(double mean, double deviation) =>
        AssertNormal(Values(new Normal(mean, deviation), Target(100_000)), mean, deviation);

    [Theory]
    [InlineData(0, 1, -2, 2)]
    [InlineData(0, 0.02, -2, 2)]
    [InlineData(1, 2, 0, 1.5)]
    [InlineData(0, 1, 6, 8)]
    [InlineData(0, 1, -9, -7)]
    public void Truncated_normal_is_the_cut_distribution(double mean, double deviation, double low, double high)
    {
        var values = Values(new TruncatedNormal(mean, deviation, low, high), Target(50_000));
        Assert.All(values, v => Assert.InRange(v, low, high));
        var (a, b) = ((low - mean) / deviation, (high - mean) / deviation);
        var mirrored = a > 0;
        if (mirrored) (a, b) = (-b, -a);
        var (least, most) = (NormalDistribution.Cumulative(a), NormalDistribution.Cumulative(b));
        AssertDistribution(
            mirrored ? [.. values.Select(v => -v)] : values,
            x => (NormalDistribution.Cumulative(mirrored ? (x + mean) / deviation
                : (x - mean) / deviation) - least) / (most - least));
    }

    [Fact]
    public void Normal_distribution_against_known_values()
    {
        // Python's statistics.NormalDist, and Abramowitz and Stegun 26.2 for the tails.
        Assert.Equal(0.8413447460685429, NormalDistribution.Cumulative(1), 1e-15);
        Assert.Equal(0.5, NormalDistribution.Cumulative(0));
        Assert.Equal(1, NormalDistribution.Cumulative(-5) / 2.866515718791939e-07, 1e-13);
        Assert.Equal(1, NormalDistribution.Cumulative(-10) / 7.619853024160527e-24, 1e-13);
        Assert.Equal(1.959963984540054, NormalDistribution.Quantile(0.975), 1e-14);
        Assert.Equal(-4.753424308822899, NormalDistribution.Quantile(1e-6), 1e-13);
        for (var x = -30.0; x < 5; x += 0.37)
            Assert.Equal(x, NormalDistribution.Quantile(NormalDistribution.Cumulative(x)), x > 3 ? 1e-8 : 1e-12);
    }

    [Fact]
    public void Scales_follow_the_fans()
    {
        // [64, 32, 3, 5]: fan in 480, fan out 960.
        var target = Target(64, 32, 3, 5);
        var glorot = Math.Sqrt(2.0 / (480 + 960));
        AssertNormal(Values(new XavierNormal(), target), 0, glorot);
        AssertNormal(Values(new XavierNormal(5.0 / 3), target), 0, glorot * 5 / 3);
        AssertUniform(Values(new XavierUniform(), target), -Math.Sqrt(6.0 / 1440), Math.Sqrt(6.0 / 1440));
        AssertNormal(Values(new KaimingNormal(), target), 0, Math.Sqrt(2.0 / 480));
        AssertNormal(Values(new KaimingNormal(FanMode.Out, Nonlinearity.Relu), target), 0, Math.Sqrt(2.0 / 960));
        AssertNormal(Values(new KaimingNormal(FanMode.In, Nonlinearity.Tanh), target), 0, 5.0 / 3 / Math.Sqrt(480));
        AssertNormal(Values(new KaimingNormal(FanMode.In, Nonlinearity.Selu), target), 0, 0.75 / Math.Sqrt(480));
        AssertNormal(Values(new KaimingNormal(FanMode.In, Nonlinearity.Linear), target), 0, 1 / Math.Sqrt(480));
        AssertNormal(Values(new KaimingNormal(slope: 0.5), target), 0, Math.Sqrt(2 / 1.25 / 480));
        var bound = Math.Sqrt(6.0 / 480);
        AssertUniform(Values(new KaimingUniform(), target), -bound, bound);
        // PyTorch's default for layers: a = sqrt(5) makes the bound 1 / sqrt(fan in).
        AssertUniform(Values(new KaimingUniform(slope: Math.Sqrt(5)), target), -1 / Math.Sqrt(480), 1 / Math.Sqrt(480));
        var bias = new InitializationTarget(new TensorInfo("b", TensorType.Float32, [20_000]), target.Tensor);
        AssertUniform(Values(new FanInBias(), bias), -1 / Math.Sqrt(480), 1 / Math.Sqrt(480));
    }

    [Theory]
    [InlineData(30, 30)]
    [InlineData(20, 75)]
    [InlineData(75, 20)]
    [InlineData(1, 9)]
    [InlineData(9, 1)]
    public void Orthogonal_is_orthogonal(int rows, int columns)
    {
        const double Gain = 1.5;
        var q = Values(new Orthogonal(Gain), Target(rows, columns));
        var worst = 0.0;
        var wide = rows <= columns;
        var (count, length) = (Math.Min(rows, columns), Math.Max(rows, columns));
        double At(int vector, int i) => wide ? q[(vector * columns) + i] : q[(i * columns) + vector];
        for (var a = 0; a < count; a++)
            for (var b = 0; b < count; b++)
            {
                var dot = Enumerable.Range(0, length).Sum(i => At(a, i) * At(b, i));
                worst = Math.Max(worst, Math.Abs(dot - (a == b ? Gain * Gain : 0)));
            }

        Assert.True(worst < 1e-12, $"off by {worst}");
    }

    [Fact]
    public void Orthogonal_is_uniformly_distributed()
    {
        // Any coordinate of a uniform unit vector in 3 dimensions is uniform on [-1, 1] (Archimedes), for the
        // first vector and the last.
        var first = new double[20_000];
        var last = new double[20_000];
        for (var i = 0; i < first.Length; i++)
        {
            var q = Values(new Orthogonal(), Target(3, 3), seed: i);
            (first[i], last[i]) = (q[0], q[8]);
        }

        AssertUniform(first, -1, 1);
        AssertUniform(last, -1, 1);
    }

    [Fact]
    public void Orthogonal_stays_orthogonal_when_large()
    {
        const int Rows = 200, Columns = 64 * 9;
        var q = Values(new Orthogonal(), Target(Rows, 64, 3, 3));
        for (var a = 0; a < Rows; a += 17)
            for (var b = 0; b < Rows; b += 13)
            {
                var dot = Enumerable.Range(0, Columns).Sum(i => q[(a * Columns) + i] * q[(b * Columns) + i]);
                Assert.Equal(a == b ? 1 : 0, dot, 1e-12);
            }
    }

    [Fact]
    public void Dirac_passes_channels_unchanged()
    {
        var values = Values(new Dirac(2), Target(6, 2, 3, 4));
        Assert.Equal(4, values.Sum());
        foreach (var (output, input) in ((int, int)[])[(0, 0), (1, 1), (3, 0), (4, 1)])
            Assert.Equal(1, values[(((((output * 2) + input) * 3) + 1) * 4) + 2]);
        Assert.Equal(1, Values(new Dirac(), Target(1, 1, 1, 1, 1))[0]);
    }

    [Fact]
    public void Eye_is_the_identity() => Assert.Equal([1, 0, 0, 0, 1, 0], Values(new Eye(), Target(2, 3)));

    [Fact]
    public void Sparse_has_its_zeros_in_each_column()
    {
        const int Rows = 101, Columns = 400;
        var values = Values(new Sparse(0.3, 2), Target(Rows, Columns));
        for (var column = 0; column < Columns; column++)
            Assert.Equal(31, Enumerable.Range(0, Rows).Count(row => values[(row * Columns) + column] == 0));
        AssertNormal([.. values.Where(v => v != 0)], 0, 2);
        var perRow = Enumerable.Range(0, Rows)
            .Select(row => Enumerable.Range(0, Columns).Count(c => values[(row * Columns) + c] == 0)).ToList();
        Assert.InRange(perRow.Min(), 70, 122);
        Assert.InRange(perRow.Max(), 124, 180);
    }

    [Fact]
    public void Values_are_a_function_of_seed_and_name()
    {
        foreach (var (name, _) in Initializers.All)
        {
            var initializer = name switch
            {
                "constant" => Initializers.Create(name, new Dictionary<string, string> { ["value"] = "3" }),
                "sparse" => Initializers.Create(name, new Dictionary<string, string> { ["sparsity"] = "0.5" }),
                _ => Initializers.Create(name),
            };
            InitializationTarget target = name switch
            {
                "dirac" => Target(4, 3, 3, 3),
                "identity-kernel" => Target(4, 4, 3, 3),
                "fan-in-bias" => new InitializationTarget(
                    new TensorInfo("b", TensorType.Float32, [7]), new TensorInfo("w", TensorType.Float32, [7, 3])),
                _ => Target(7, 12),
            };
            var values = Values(initializer, target);
            Assert.Equal(values, Values(initializer, target));
            Assert.Equal(values, Values(Initializers.Parse(initializer.ToString()), target));
            Assert.Equal(initializer.ToString(), Initializers.Parse(initializer.ToString()).ToString());
            if (name is not ("constant" or "zeros" or "ones" or "eye" or "dirac" or "identity-kernel" or "prior-probability"))
            {
                Assert.NotEqual(values, Values(initializer, target, seed: 2));
                Assert.NotEqual(values, Values(initializer, target, name: "v"));
            }

            if (!initializer.IsElementwise) continue;
            var random = new CounterRandom(1, "w");
            var pieces = new double[values.Length];
            initializer.Fill(target, pieces.AsSpan(0, 5), random);
            initializer.Fill(target, pieces.AsSpan(5), random);
            Assert.Equal(values, pieces);
        }
    }

    [Theory]
    [InlineData("kaiming-norma", "there is no initializer \"kaiming-norma\"; did you mean \"kaiming-normal\"")]
    [InlineData("normal(deviaton: 1)", "normal has no setting \"deviaton\"; did you mean \"deviation\"?")]
    [InlineData("normal(deviation: x)", "normal: deviation \"x\" is not a number")]
    [InlineData("normal(deviation: -1)", "normal: deviation -1 is not a finite number of at least 0")]
    [InlineData("constant", "constant needs a setting: value: NUMBER")]
    [InlineData(
        "kaiming-normal(nonlinearity: relo)",
        "\"relo\" is not one of linear, sigmoid, tanh, relu, leaky-relu, selu; did you mean \"relu\"")]
    [InlineData("dirac(groups: 1.5)", "dirac: groups \"1.5\" is not a whole number")]
    [InlineData("uniform(low: 2, high: 1)", "uniform: high 1 is not a finite number of at least 2")]
    [InlineData("sparse(sparsity: 2)", "sparsity 2 is not a finite number from 0 to 1")]
    [InlineData("normal(mean)", "\"mean\" in \"normal(mean)\" is not a setting")]
    [InlineData("normal(mean: 1", "is not an initializer: write name or name(key: value, ...)")]
    public void Wrong_text_is_refused(string text, string message) =>
        Assert.Contains(
            message, Assert.Throws<InitializationException>(() => Initializers.Parse(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("kaiming-normal", 5L)]
    [InlineData("xavier-uniform", 5L)]
    [InlineData("orthogonal", 5L)]
    [InlineData("dirac", 5L, 5L)]
    [InlineData("dirac(groups: 2)", 5L, 5L, 1L)]
    [InlineData("eye", 5L)]
    [InlineData("fan-in-bias", 5L)]
    public void Unsuitable_shapes_are_refused(string text, params long[] shape)
    {
        var error = Assert.Throws<InitializationException>(() => Initializers.Parse(text).Check(Target(shape)));
        Assert.Contains($"cannot fill w of shape [{string.Join(", ", shape)}]", error.Message, StringComparison.Ordinal);
    }
}
