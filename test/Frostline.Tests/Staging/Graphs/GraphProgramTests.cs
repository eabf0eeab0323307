using Frostline.Native;
using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging.Graphs;

[Collection(LibTorchCollection.Name)]
public sealed class GraphProgramTests
{
    public static TheoryData<string> Bodies => [.. s_bodies.Keys];

    /// <summary>Bodies that between them have every operation, over a map [N, 6, 9, 8].</summary>
    private static readonly Dictionary<string, Func<Parts, Operations, Value, Value>> s_bodies = new(StringComparer.Ordinal)
    {
        ["convolution, norm, relu"] = (parts, o, x) => o.ConvolutionNormRelu(parts.Convolution(6, 4, 3, stride: 2), parts.Norm(4), x),
        ["grouped and dilated"] = (parts, o, x) => o.ConvolutionNorm(parts.Add(nn.Conv2d(6, 6, 3, dilation: 2, groups: 3, bias: true)), parts.Norm(6, affine: false), x),
        ["same padding"] = (parts, o, x) => o.Convolution(parts.Add(nn.Conv2d(6, 3, (2, 4), padding: Padding.Same)), x),
        ["transposed"] = (parts, o, x) => o.ConvolutionNorm(parts.Add(nn.ConvTranspose2d(6, 4, 3, stride: 2, padding: 1, output_padding: 1, groups: 2)), parts.Norm(4), x),
        ["strided pointwise"] = (parts, o, x) => o.ConvolutionNorm(parts.Convolution(6, 4, 1, stride: 2), parts.Norm(4), x),
        ["norm before a convolution"] = (parts, o, x) => o.Convolution(parts.Convolution(6, 4, 3), o.Relu(o.Norm(parts.Norm(6), x))),
        ["a convolution that two read"] = (parts, o, x) => parts.Shared(o, o.Convolution(parts.Convolution(6, 6, 3), x)),
        ["residual"] = (parts, o, x) => o.AddRelu(o.ConvolutionNorm(parts.Convolution(6, 6, 3), parts.Norm(6), x), x),
        ["a sum with itself"] = (parts, o, x) => parts.Twice(o, o.Relu(x)),
        ["pools"] = (_, o, x) => o.AveragePool(Window.Square(2, 1), o.MaxPool(Window.Square(3, 2, 1, ceiling: true), x), countPadding: false),
        ["adaptive pool, flatten, linear, norm"] = (parts, o, x) => o.Norm(parts.Norm1(5), o.Linear(parts.Add(nn.Linear(24, 5)), o.Flatten(o.AdaptiveAveragePool(2, 2, x)))),
        ["relu6 and sigmoid"] = (_, o, x) => o.Activation(ActivationKind.Sigmoid, o.Activation(ActivationKind.Relu6, x)),
        ["concatenation of slices"] = (_, o, x) => o.Concatenate([o.Slice(x, 1, 0, 3), o.Slice(x, 1, 1, step: 2)]),
        ["reshape and padding"] = (_, o, x) => o.Pad(o.Reshape(x, [0, 3, 2, -1]), [1, 2]),
        ["resizes"] = (_, o, x) => o.Concatenate([o.Resize(x, 5, 4, ResizeMode.Nearest), o.Resize(x, 5, 4, ResizeMode.Bilinear), o.Resize(x, 5, 4, ResizeMode.BilinearAlignedCorners)]),
        ["norms of samples"] = (parts, o, x) => o.Norm(parts.Add(nn.LayerNorm([9, 8])), o.Norm(parts.Add(nn.GroupNorm(3, 6)), x)),
        ["dropout that is off"] = (parts, o, x) => o.Dropout(parts.Add(nn.Dropout(0.5)), x),
        ["the input"] = (_, _, x) => x,
        ["a view over what is written over"] = (parts, o, x) => parts.Viewed(o, o.Convolution(parts.Convolution(6, 6, 3), x)),
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public void A_compiled_body_computes_what_the_network_computes(string body)
    {
        using var network = new Net(s_bodies[body]);
        using var before = randn(3, 6, 9, 8, dtype: float64);
        using var input = before.clone();
        using var program = Program(network, input);
        using var scope = NewDisposeScope();
        var expected = StagedForward.Run(network, Named(input))["out"];
        // Another batch than it was compiled for.
        foreach (var x in new[] { input, input.slice(0, 0, 1, 1) })
        {
            var actual = program.Run(Named(x))["out"];
            Assert.Equal(0, (actual - StagedForward.Run(network, Named(x))["out"]).abs().max().item<double>(), 12);
            Assert.False(actual.requires_grad);
        }

        Assert.Equal(expected.shape, program.Run(Named(input))["out"].shape);
        Assert.True(before.Equals(input), "the input was written over");
    }

    [Fact]
    public void Norms_are_folded_into_what_is_before_them()
    {
        using var network = new Net(s_bodies["convolution, norm, relu"]);
        using var input = randn(2, 6, 9, 8, dtype: float64);
        var owned = new List<Tensor>();
        var graph = RecordedGraph.Of(StageSchedule.Whole(network), Shapes(input));
        var folded = GraphFolding.Fold(graph, owned);
        Assert.Equal(["InputStep", "ConvolutionStep", "BatchNormStep", "ActivationStep"], graph.Nodes.Select(node => node.Step.GetType().Name));
        Assert.Equal(["InputStep", "ConvolutionStep", "ActivationStep"], folded.Nodes.Select(node => node.Step.GetType().Name));
        Assert.Equal(2, owned.Count);
        foreach (var tensor in owned) tensor.Dispose();
        // What two read keeps its norm apart.
        using var shared = new Net(s_bodies["a convolution that two read"]);
        Assert.Contains(GraphFolding.Fold(RecordedGraph.Of(StageSchedule.Whole(shared), Shapes(input)), owned).Nodes, node => node.Step is BatchNormStep);
    }

    [Fact]
    public void Values_are_freed_as_soon_as_nobody_reads_them()
    {
        using var network = new Net((parts, o, x) =>
        {
            for (var i = 0; i < 6; i++) x = o.ConvolutionNormRelu(parts.Convolution(6, 6, 3), parts.Norm(6), x);
            return x;
        });
        using var input = randn(2, 6, 9, 8, dtype: float64);
        using var program = Program(network, input);
        program.Run(Named(input))["out"].Dispose();
        var before = LiveTensors.CountWithoutGarbage();
        program.Run(Named(input))["out"].Dispose();
        Assert.Equal(before, LiveTensors.CountWithoutGarbage());
    }

    [Theory]
    [InlineData("training", "a BatchNorm in training")]
    [InlineData("dropout", "draws at random")]
    [InlineData("opaque", "\"twice\" is opaque")]
    [InlineData("batch", "depends on the size of the batch")]
    [InlineData("reflect", "pads by Reflect")]
    public void What_is_no_pure_function_of_operations_is_refused_by_its_stage(string what, string problem)
    {
        using var network = new Net((parts, o, x) => what switch
        {
            "training" => o.Norm(parts.Moving(), x),
            "dropout" => o.Dropout(parts.Active(), x),
            "opaque" => o.Call("twice", tensor => tensor.clone(), x, shapes => shapes),
            "reflect" => o.Convolution(parts.Add(nn.Conv2d(6, 6, 3, padding: 1, padding_mode: PaddingModes.Reflect)), x),
            _ => o.Reshape(x, [x.Shape[0], -1]),
        });
        using var input = randn(2, 6, 9, 8, dtype: float64);
        var error = Assert.Throws<NotCompilableException>(() => Program(network, input));
        Assert.StartsWith(what == "batch" ? "what the stages compute" : "the stage \"out\":", error.Message);
        Assert.Contains(problem, error.Message);
    }

    [Fact]
    public void Identities_tell_weights_and_structure_apart_and_nothing_else()
    {
        using Net one = new(s_bodies["residual"]), other = new(s_bodies["residual"]), stride = new(s_bodies["strided pointwise"]);
        string Of(Net network, long batch = 2, long width = 8) =>
            RecordedGraph.Of(StageSchedule.Whole(network), new Dictionary<string, IReadOnlyList<long>> { ["image"] = [batch, 6, 9, width] }).Identity();
        Assert.Equal(Of(one), Of(other));
        Assert.Equal(Of(one), Of(one, batch: 7));
        Assert.NotEqual(Of(one), Of(stride));
        using (no_grad()) other.Parts.First<BatchNorm2d>().running_var![3] += tensor(1e-12, float64);
        Assert.NotEqual(Of(one), Of(other));
    }

    private static GraphProgram Program(Net network, Tensor input) => new(RecordedGraph.Of(StageSchedule.Whole(network), Shapes(input)));

    private static Dictionary<string, IReadOnlyList<long>> Shapes(Tensor input) => new(StringComparer.Ordinal) { ["image"] = input.shape };

    private static Dictionary<string, Tensor> Named(Tensor input) => new(StringComparer.Ordinal) { ["image"] = input };

    /// <summary>Layers that a body asks for, made the first time and found again by their place.</summary>
    private sealed class Parts
    {
        private readonly List<nn.Module> _modules = [];
        private int _next;

        internal IReadOnlyList<nn.Module> Modules => _modules;

        internal void Begin() => _next = 0;

        internal T First<T>() => _modules.OfType<T>().First();

        internal T Add<T>(T module, bool trains = false)
            where T : nn.Module
        {
            if (_next < _modules.Count)
            {
                module.Dispose();
                return (T)_modules[_next++];
            }

            module.to(float64);
            module.train(trains);
            _modules.Add(module);
            _next++;
            return module;
        }

        internal Conv2d Convolution(long inputs, long outputs, long kernel, long stride = 1) =>
            Add(nn.Conv2d(inputs, outputs, kernel, stride, padding: kernel / 2, bias: false));

        internal BatchNorm2d Norm(long features, bool affine = true) => Add(Filled(nn.BatchNorm2d(features, affine: affine), features));

        internal BatchNorm1d Norm1(long features) => Add(Filled(nn.BatchNorm1d(features), features));

        internal BatchNorm2d Moving() => Add(nn.BatchNorm2d(6), trains: true);

        internal Dropout Active() => Add(nn.Dropout(0.5), trains: true);

        /// <summary>A value that a norm and a sum read.</summary>
        internal Value Shared(Operations operations, Value x) => operations.Add(operations.Norm(Norm(6), x), x);

        internal Value Twice(Operations operations, Value x) => operations.Add(x, x);

        /// <summary>A view of a value whose memory an activation could have written over.</summary>
        internal Value Viewed(Operations operations, Value x) =>
            operations.Concatenate([operations.Flatten(x), operations.Flatten(operations.Relu(x))]);

        private static T Filled<T>(T norm, long features)
            where T : BatchNorm
        {
            using var grad = no_grad();
            for (var i = 0; i < features; i++)
            {
                norm.running_mean![i] = tensor(0.3f * (i - 2));
                norm.running_var![i] = tensor(0.5f + (0.2f * i));
                if (norm.weight is null) continue;
                norm.weight[i] = tensor(1.5f - (0.3f * i));
                norm.bias![i] = tensor(0.1f * i);
            }

            return norm;
        }
    }

    private sealed class Net : nn.Module<Tensor, Tensor>, IStagedNetwork
    {
        internal Net(Func<Parts, Operations, Value, Value> body)
            : base(nameof(Net))
        {
            random.manual_seed(3);
            // The layers come into being when the body is followed for the first time.
            Parts.Begin();
            body(Parts, new CostOperations(), CostOperations.Of(2, 6, 9, 8));
            Stages = [new Stage("out", "image", Parts.Modules, (operations, x) =>
            {
                Parts.Begin();
                return body(Parts, operations, x);
            })];
            for (var i = 0; i < Parts.Modules.Count; i++) register_module($"m{i}", Parts.Modules[i]);
        }

        internal Parts Parts { get; } = new();

        public IReadOnlyList<Stage> Stages { get; }

        public IReadOnlyList<string> Inputs => ["image"];

        public IReadOnlyList<string> Outputs => ["out"];

        public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
    }
}
