using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static Frostline.Testing.ImageInputs;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging.Graphs;

[Collection(LibTorchCollection.Name)]
public sealed class GraphProgramTests
{
    public static TheoryData<string> Bodies => [.. OperationBodies.Names];
    [Theory]
    [MemberData(nameof(Bodies))]
    public void A_compiled_body_computes_what_the_network_computes(string body)
    {
        using var network = new BodyNetwork(OperationBodies.Of(body));
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

    public static TheoryData<string> Deformables => [.. DeformableNetwork.Names];

    [Theory]
    [MemberData(nameof(Deformables))]
    public void Deformable_convolutions_are_compiled_with_offsets_that_are_inputs(string name)
    {
        using var network = DeformableNetwork.Of(name, float64);
        using var scope = NewDisposeScope();
        var read = network.Draw(3, float64);
        using var program = new GraphProgram(RecordedGraph.Of(StageSchedule.Whole(network), Shapes(read)));
        foreach (var inputs in new[] { read, read.ToDictionary(input => input.Key, input => input.Value.slice(0, 1, 2, 1)) })
            Assert.Equal(0, (program.Run(inputs)["out"] - StagedForward.Run(network, inputs)["out"]).abs().max().item<double>(), 12);
    }

    [Fact]
    public void Norms_are_folded_into_what_is_before_them()
    {
        using var network = new BodyNetwork(OperationBodies.Of("convolution, norm, relu"));
        using var input = randn(2, 6, 9, 8, dtype: float64);
        var owned = new List<Tensor>();
        var graph = RecordedGraph.Of(StageSchedule.Whole(network), Shapes(Named(input)));
        var folded = GraphFolding.Fold(graph, owned);
        Assert.Equal(["InputStep", "ConvolutionStep", "BatchNormStep", "ActivationStep"], graph.Nodes.Select(node => node.Step.GetType().Name));
        Assert.Equal(["InputStep", "ConvolutionStep", "ActivationStep"], folded.Nodes.Select(node => node.Step.GetType().Name));
        Assert.Equal(2, owned.Count);
        foreach (var tensor in owned) tensor.Dispose();
        // What two read keeps its norm apart.
        using var shared = new BodyNetwork(OperationBodies.Of("a convolution that two read"));
        Assert.Contains(GraphFolding.Fold(RecordedGraph.Of(StageSchedule.Whole(shared), Shapes(Named(input))), owned).Nodes, node => node.Step is BatchNormStep);
    }

    [Fact]
    public void Values_are_freed_as_soon_as_nobody_reads_them()
    {
        using var network = new BodyNetwork((parts, o, x) =>
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
        using var network = new BodyNetwork((parts, o, x) => what switch
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
        using BodyNetwork one = new(OperationBodies.Of("residual")), other = new(OperationBodies.Of("residual")), stride = new(OperationBodies.Of("strided pointwise"));
        string Of(BodyNetwork network, long batch = 2, long width = 8) =>
            RecordedGraph.Of(StageSchedule.Whole(network), new Dictionary<string, IReadOnlyList<long>> { ["image"] = [batch, 6, 9, width] }).Identity();
        Assert.Equal(Of(one), Of(other));
        Assert.Equal(Of(one), Of(one, batch: 7));
        Assert.NotEqual(Of(one), Of(stride));
        using (no_grad()) other.Parts.First<BatchNorm2d>().running_var![3] += tensor(1e-12, float64);
        Assert.NotEqual(Of(one), Of(other));
    }

    private static GraphProgram Program(BodyNetwork network, Tensor input) => new(RecordedGraph.Of(StageSchedule.Whole(network), Shapes(Named(input))));
}
