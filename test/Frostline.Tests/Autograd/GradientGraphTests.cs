using System.Reflection;
using Frostline.Autograd;
using Frostline.Freezing;
using Frostline.Native;
using Frostline.Testing;
using Frostline.Tests.Freezing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Autograd;

[Collection(LibTorchCollection.Name)]
public sealed class GradientGraphTests
{
    [Fact]
    public void The_operation_is_named_and_TorchSharp_has_no_name_for_it()
    {
        const BindingFlags all = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;
        Assert.DoesNotContain(typeof(Tensor).GetMembers(all), member => member.Name.Contains("grad_fn", StringComparison.OrdinalIgnoreCase));

        using var scope = NewDisposeScope();
        var x = ones(2, 3, requires_grad: true);
        Assert.Equal("MulBackward0", x.mul(x).GradFn());
        Assert.Equal("SumBackward0", x.sum().GradFn());
    }

    [Fact]
    public void Leaves_and_what_has_no_graph_have_no_operation()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, 3, requires_grad: true);
        Assert.Null(x.GradFn());
        Assert.Null(ones(2).GradFn());
        Assert.Null(x.mul(x).detach().GradFn());
        Assert.Null(zeros(2, 3, ScalarType.Int64).GradFn());
        using (no_grad()) Assert.Null(x.mul(x).GradFn());
        using var frozen = new Parameter(ones(2), requires_grad: false);
        Assert.Null(frozen.GradFn());
    }

    [Fact]
    public void The_scope_of_the_caller_does_not_matter_and_is_not_changed()
    {
        using var scope = NewDisposeScope();
        var y = ones(2, requires_grad: true).exp();
        using (no_grad())
        {
            Assert.Equal("ExpBackward0", y.GradFn());
            Assert.False(is_grad_enabled());
        }

        using (inference_mode())
        {
            Assert.Equal("ExpBackward0", y.GradFn());
            Assert.True(is_inference_mode_enabled());
        }

        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void A_tensor_of_any_layout_is_read()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, 3, requires_grad: true);
        Assert.Equal("TBackward0", x.t().GradFn());
        Assert.Equal("SumBackward0", x.sum().GradFn());
        Assert.Equal("ExpandBackward0", x.sum().expand(4, 5).GradFn());
        Assert.Equal("SliceBackward0", x.slice(1, 0, 0, 1).GradFn());
        Assert.Equal("ToCopyBackward0", x.to(float64).GradFn());
    }

    [Fact]
    public void A_view_whose_base_was_changed_in_place_has_the_new_operation()
    {
        using var scope = NewDisposeScope();
        var x = zeros(2, 3);
        var row = x[0];
        Assert.Null(row.GradFn());
        x.mul_(ones(2, 3, requires_grad: true));
        Assert.Equal("AsStridedBackward0", row.GradFn());
        Assert.Equal("MulBackward0", x.GradFn());
    }

    [Fact]
    public void What_libtorch_refuses_to_name_is_an_exception_and_not_the_end_of_the_process()
    {
        // A view taken without a graph, whose base then enters one: grad_fn itself throws, which no P/Invoke survives.
        using var scope = NewDisposeScope();
        var x = zeros(2, 3);
        Tensor row;
        using (no_grad()) row = x[0];
        x.mul_(ones(2, 3, requires_grad: true));
        Assert.Throws<System.Runtime.InteropServices.ExternalException>(row.GradFn);
    }

    [Fact]
    public void A_frozen_network_shows_where_its_gradients_end()
    {
        using var scope = NewDisposeScope();
        using var network = new SmallNet();
        var all = GradientGraph.Of(network.forward(ones(2, 1, 5, 5)).sum(), network);
        Assert.Equal(network.named_parameters().Select(p => p.name).Order(), all.Parameters.Order());

        using var frozen = new FreezePlan().Freeze("** & !head").Apply(network, allowRandom: true);
        var graph = GradientGraph.Of(network.forward(ones(2, 1, 5, 5)).sum(), network);
        Assert.Equal(["head.bias", "head.weight"], graph.Parameters.Order());
        Assert.Equal(
            """
            tensor                  #0
            #0      SumBackward0    #1
            #1      AddmmBackward0  head.bias, cut, #3
            #3      TBackward0      head.weight

            """,
            graph.ToText());
    }

    [Fact]
    public void Gradients_through_a_frozen_layer_reach_the_trained_one_below_and_its_own_parameters_are_cut()
    {
        using var scope = NewDisposeScope();
        using var network = nn.Sequential(("below", nn.Linear(3, 3)), ("frozen", nn.Linear(3, 3)));
        foreach (var parameter in network.children().Last().parameters()) parameter.requires_grad = false;
        var graph = GradientGraph.Of(network.forward(ones(2, 3)), network);
        Assert.Equal(["below.bias", "below.weight"], graph.Parameters.Order());
        Assert.Equal([true, false, true], graph.Nodes[0].Inputs.Select(input => input.IsCut));
    }

    [Fact]
    public void Leaves_that_are_no_parameters_have_no_name_and_tied_parameters_their_first()
    {
        using var scope = NewDisposeScope();
        using var network = new Tied();
        var x = ones(2, 3, requires_grad: true);
        var graph = GradientGraph.Of(nn.functional.linear(nn.functional.linear(x, network.first), network.second), network);
        var leaves = graph.Nodes.Where(node => node.IsLeaf).ToList();
        Assert.Equal([null, "first"], leaves.Select(leaf => leaf.Parameter).Order());
        Assert.Contains($"leaf #{leaves.Single(leaf => leaf.Parameter is null).Id}", graph.ToText());
        Assert.Empty(GradientGraph.Of(x.exp()).Parameters);
    }

    [Fact]
    public void Several_tensors_share_what_they_have_in_common()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, requires_grad: true);
        var (shared, parts) = (x.exp(), x.sigmoid().unbind(0));
        var graph = GradientGraph.Of([shared.sin(), shared.cos(), ones(1), parts[1], x]);
        Assert.Equal([0, 1, null, 2, 3], graph.Outputs.Select(output => output.Node));
        Assert.Equal([0, 0, 0, 1, 0], graph.Outputs.Select(output => output.Output));
        Assert.Equal(
            """
            tensor 0                    #0
            tensor 1                    #1
            tensor 2                    cut
            tensor 3                    #2 output 1
            tensor 4                    leaf #3
            #0        SinBackward0      #4
            #1        CosBackward0      #4
            #2        UnbindBackward0   #5
            #4        ExpBackward0      leaf #3
            #5        SigmoidBackward0  leaf #3

            """,
            graph.ToText());
        Assert.Empty(GradientGraph.Of([]).Nodes);
        Assert.Equal("", GradientGraph.Of([]).ToText());
    }

    [Fact]
    public void Dot_and_Mermaid_say_the_same_and_names_are_escaped()
    {
        var graph = new GradientGraph(
            [new(0, 0)],
            [
                new(0, "AddmmBackward0", IsLeaf: false, null, [new(1, 0), default, new(2, 1)]),
                new(1, "AccumulateGrad", IsLeaf: true, "a\"b\\c#d", []),
                new(2, "UnbindBackward0", IsLeaf: false, null, []),
            ]);
        Assert.Equal(
            """
            digraph gradients {
              node [shape=box];
              t0 [label="tensor", shape=plain];
              n0 [label="AddmmBackward0"];
              n1 [label="a\"b\\c#d", style=rounded];
              n2 [label="UnbindBackward0"];
              t0 -> n0;
              n0 -> n1;
              n0_1 [label=cut, shape=plain];
              n0 -> n0_1 [style=dashed];
              n0 -> n2 [label=1];
            }

            """,
            graph.ToDot());
        Assert.Equal(
            """
            flowchart TD
              t0[["tensor"]]
              n0["AddmmBackward0"]
              n1(["a#quot;b\c#35;d"])
              n2["UnbindBackward0"]
              t0 --> n0
              n0 --> n1
              n0 -.-x n0_1(("cut"))
              n0 -->|1| n2

            """,
            graph.ToMermaid());
    }

    [Fact]
    public void A_graph_as_deep_as_a_long_sequence_is_walked_and_one_that_is_too_large_refused()
    {
        const int steps = 20_000;
        using var scope = NewDisposeScope();
        var x = ones(1, requires_grad: true).exp();
        for (var i = 0; i < steps; i++)
        {
            using var previous = x;
            x = previous.neg();
        }

        Assert.Equal(steps + 2, GradientGraph.Of(x).Nodes.Count);
        var error = Assert.Throws<FrostlineException>(() => GradientGraph.Of([x], null, mostNodes: steps));
        Assert.Contains($"more than {steps} nodes", error.Message);
    }

    [Fact]
    public void The_graph_outlives_backward_and_the_tensors_and_leaves_nothing_behind()
    {
        using var network = new SmallNet();
        var before = LiveTensors.CountWithoutGarbage();
        GradientGraph graph;
        using (NewDisposeScope())
        {
            var loss = network.forward(ones(2, 1, 5, 5)).sum();
            loss.backward();
            graph = GradientGraph.Of(loss, network);
            Assert.Equal("SumBackward0", loss.GradFn());
            network.zero_grad(set_to_none: true);
        }

        Assert.Equal(before, LiveTensors.CountWithoutGarbage());
        Assert.Equal(network.parameters().Count(), graph.Parameters.Count());
    }

    [Fact]
    public void Reading_does_not_change_gradients()
    {
        using var scope = NewDisposeScope();
        var (x, y) = (ones(2, requires_grad: true), ones(2, requires_grad: true));
        x.exp().sum().backward();
        var loss = y.exp().sum();
        _ = loss.GradFn();
        _ = GradientGraph.Of(loss);
        loss.backward();
        Assert.True(x.grad!.Equals(y.grad!));
    }

    [Fact]
    public void Where_calibration_fails_the_reason_is_said()
    {
        Assert.Equal((null, "libnothing.so does not export what is needed"), AutogradNodes.Create("libnothing.so", ProcessMemory.TryOpen));
        Assert.Equal((null, "libc.so.6 does not export what is needed"), AutogradNodes.Create("libc.so.6", ProcessMemory.TryOpen));
        var (nodes, reason) = AutogradNodes.Create("libtorch_cpu.so", () => null);
        Assert.Null(nodes);
        Assert.Contains("/proc/self/mem", reason);
        (nodes, reason) = AutogradNodes.Create("libtorch_cpu.so", ClosedMemory);
        Assert.Null(nodes);
        Assert.NotNull(reason);
    }

    [Fact]
    public void Memory_that_is_not_there_is_an_answer()
    {
        using var memory = ProcessMemory.TryOpen()!;
        Assert.False(memory.TryRead(8, new byte[8]));
        Assert.False(memory.TryRead(-8, new byte[8]));
        Assert.Empty(memory.Words(4096, 3));
    }

    [Theory]
    [InlineData("MulBackward0", "MulBackward0")]
    [InlineData("torch::autograd::AccumulateGrad", "AccumulateGrad")]
    [InlineData("torch::autograd::CppNode<my::Function>", "CppNode<my::Function>")]
    [InlineData("", "")]
    [InlineData("::a", "a")]
    public void Names_lose_their_namespace(string full, string printed) => Assert.Equal(printed, AutogradNodes.WithoutNamespace(full));

    [Fact]
    public void Many_threads_may_read_at_once()
    {
        using var scope = NewDisposeScope();
        var loss = ones(2, requires_grad: true).exp().sum();
        Parallel.For(0, 64, _ => Assert.Equal(3, GradientGraph.Of(loss).Nodes.Count));
    }

    private static ProcessMemory? ClosedMemory()
    {
        var memory = ProcessMemory.TryOpen();
        memory?.Dispose();
        return memory;
    }

    private sealed class Tied : nn.Module
    {
        internal readonly Parameter first = new(ones(3, 3));
        internal readonly Parameter second;

        internal Tied()
            : base(nameof(Tied))
        {
            second = first;
            RegisterComponents();
        }
    }
}
