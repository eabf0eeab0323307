using System.Runtime.InteropServices;
using Frostline.Autograd;
using Frostline.Freezing;
using Frostline.Native;
using Frostline.Testing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Autograd;

[Collection(LibTorchCollection.Name)]
public sealed class GradientDiagnosisTests : IDisposable
{
    private static readonly string[] s_branch = ["branch.first.weight", "branch.first.bias", "branch.second.weight", "branch.second.bias"];

    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    public GradientDiagnosisTests() => manual_seed(5).Dispose();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void In_a_healthy_network_nothing_is_found()
    {
        var diagnosis = Diagnose(Fault.None);
        Assert.Empty(diagnosis.Findings);
        Assert.Empty(diagnosis.Remarks);
        Assert.Equal("nothing found\n", diagnosis.Describe());
        diagnosis.ThrowIfErrors();
    }

    [Theory]
    [InlineData(Fault.DetachedBranch, FindingKind.Detached, "the graph is cut above it, by detach() or an operation without a gradient; take out what cuts it")]
    [InlineData(Fault.BranchWithoutGrad, FindingKind.BeneathNoGrad, "it is computed where nothing is recorded (no_grad); move it out of no_grad")]
    [InlineData(Fault.HiddenBranchWithoutGrad, FindingKind.Detached, "the graph is cut above it, by detach(), no_grad or an operation without a gradient; take out")]
    [InlineData(Fault.UnusedBranch, FindingKind.Unreachable, "the loss does not depend on that; use it in forward")]
    public void A_branch_without_gradients_trains_silently_not_at_all_and_is_named_with_the_cause(Fault fault, FindingKind kind, string text)
    {
        using (var plain = new FaultyNetwork(fault, 6, 3))
        {
            var before = Fingerprints.Of(plain);
            TrainPlainly(plain);
            var after = Fingerprints.Of(plain);
            Assert.NotEqual(before.Find("stem.weight"), after.Find("stem.weight"));
            Assert.All(s_branch, name => Assert.Equal(before.Find(name), after.Find(name)));
        }

        var diagnosis = Diagnose(fault);
        var finding = Assert.Single(diagnosis.Findings);
        Assert.Equal((kind, FindingSeverity.Error, "branch"), (finding.Kind, finding.Severity, finding.Module));
        Assert.Equal(s_branch, finding.Names);
        Assert.Contains(text, finding.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("or freeze \"branch\"", finding.Remedy, StringComparison.Ordinal);
        var error = Assert.Throws<FrostlineException>(diagnosis.ThrowIfErrors);
        Assert.StartsWith("branch: its 4 trained parameters get no gradient: ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Fault.DetachedBranch)]
    [InlineData(Fault.UnusedBranch)]
    public void Frozen_as_the_remedy_says_it_is_no_error(Fault fault)
    {
        using var network = new FaultyNetwork(fault, 6, 3);
        using var frozen = new FreezePlan().Freeze("branch").Apply(network, allowRandom: true);
        Assert.Empty(Diagnose(frozen).Findings);
    }

    [Fact]
    public void Where_the_loss_has_no_gradient_at_all_that_is_said_too()
    {
        using (var plain = new FaultyNetwork(Fault.DetachedOutput, 6, 3))
            Assert.Throws<ExternalException>(() => plain.forward(Inputs()).sum().backward());

        var findings = Diagnose(Fault.DetachedOutput).Findings;
        Assert.Equal([FindingKind.LossWithoutGradient, FindingKind.Detached], findings.Select(finding => finding.Kind));
        Assert.Equal("the loss requires no gradient: it is cut from every parameter, and nothing at all would be trained", findings[0].What);
        Assert.StartsWith("the network: its 12 trained parameters get no gradient: ", findings[1].What, StringComparison.Ordinal);
        Assert.EndsWith("freeze \"**\"", findings[1].Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void A_plan_that_trains_nothing_has_no_gradient()
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Freeze("**").Apply(network, allowRandom: true);
        Assert.Equal("the loss requires no gradient, because the plan trains no parameter", Assert.Single(Diagnose(frozen).Errors).What);
    }

    [Fact]
    public void A_loss_that_is_no_number_is_an_error_and_the_step_is_not_looked_at()
    {
        using (var plain = new FaultyNetwork(Fault.NotANumber, 6, 3))
        {
            TrainPlainly(plain);
            Assert.True(double.IsNaN(plain.get_parameter("head.weight")!.sum().Number()));
        }

        var finding = Assert.Single(Diagnose(Fault.NotANumber).Findings);
        Assert.Equal((FindingKind.LossNotFinite, "the loss is NaN before anything was trained"), (finding.Kind, finding.What));
    }

    [Fact]
    public void Gradients_that_a_weight_of_zeros_keeps_at_zero_are_a_warning_that_names_it()
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using (no_grad()) network.get_parameter("branch.second.weight")!.zero_();
        using var frozen = new FreezePlan().Apply(network);
        var finding = Assert.Single(Diagnose(frozen).Findings);
        Assert.Equal((FindingKind.ZeroGradient, FindingSeverity.Warning, "branch.first"), (finding.Kind, finding.Severity, finding.Module));
        Assert.Contains("all gradients go through \"branch.second.weight\", all of which is zero", finding.What, StringComparison.Ordinal);
        Diagnose(frozen).ThrowIfErrors();
    }

    [Fact]
    public void Under_a_head_of_zeros_everything_has_a_gradient_of_zero()
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using (no_grad()) network.get_parameter("head.weight")!.zero_();
        using var frozen = new FreezePlan().Apply(network);
        var findings = Diagnose(frozen).Findings;
        Assert.Equal(["stem", "body", "branch"], findings.Select(finding => finding.Module));
        Assert.All(findings, finding => Assert.Contains("\"head.weight\"", finding.What, StringComparison.Ordinal));
    }

    [Fact]
    public void A_norm_whose_weight_is_zero_ends_a_residual_branch()
    {
        using var network = new Residual();
        using (no_grad()) network.get_parameter("last.weight")!.zero_();
        using var frozen = new FreezePlan().Apply(network);
        var finding = Assert.Single(GradientDiagnosis.Of(frozen, () => network.forward(Images()).square().mean()).Findings);
        Assert.Equal((FindingKind.ZeroGradient, "inner"), (finding.Kind, finding.Module));
        Assert.Contains("\"last.weight\"", finding.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Zero_gradients_of_dead_activations_have_that_as_their_cause()
    {
        var finding = Assert.Single(Diagnose(Fault.DeadBranch).Findings);
        Assert.Equal((FindingKind.ZeroGradient, "branch"), (finding.Kind, finding.Module));
        Assert.Contains("the activations above are dead on this batch", finding.What, StringComparison.Ordinal);
    }

    [Fact]
    public void A_frozen_layer_above_a_trained_one_runs_backward_and_the_trained_one_is_named()
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Freeze("body | branch.second").Apply(network, allowRandom: true);
        var findings = Diagnose(frozen).Findings;
        Assert.All(findings, finding => Assert.Equal((FindingKind.HeldActivations, FindingSeverity.Note), (finding.Kind, finding.Severity)));
        Assert.Equal(["body", "branch.second"], findings.Select(finding => finding.Module));
        Assert.EndsWith("for the sake of what is trained below: stem", findings[0].What, StringComparison.Ordinal);
        Assert.EndsWith("for the sake of what is trained below: stem, branch.first", findings[1].What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("stem")]
    [InlineData("stem | body")]
    [InlineData("** & !head")]
    public void Frozen_layers_below_everything_that_is_trained_hold_nothing(string below)
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Freeze(below).Apply(network, allowRandom: true);
        Assert.Empty(Diagnose(frozen).Findings);
    }

    [Fact]
    public void A_trained_bias_of_a_frozen_layer_does_not_lie_below_it()
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Freeze("**").Train("stem.bias | head.bias").Apply(network, allowRandom: true);
        Assert.Equal(["body", "branch", "head"], Diagnose(frozen).Findings.Select(finding => finding.Module));
    }

    [Fact]
    public void A_dropout_that_is_active_in_a_frozen_part_is_a_warning()
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Freeze("stem | body.linear | body.norm").Apply(network, allowRandom: true);
        network.train();
        using (no_grad()) Assert.NotEqual(network.forward(Inputs()).sum().Number(), network.forward(Inputs()).sum().Number());

        var finding = Assert.Single(Diagnose(frozen).Findings);
        Assert.Equal((FindingKind.ActiveDropout, FindingSeverity.Warning, "body"), (finding.Kind, finding.Severity, finding.Module));
        Assert.Equal(["body.drop"], finding.Names);
    }

    [Theory]
    [InlineData("stem | body")]
    [InlineData("stem | body.linear")]
    public void A_dropout_that_is_off_or_in_a_part_that_is_trained_is_none(string selector)
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Freeze(selector).Apply(network, allowRandom: true);
        Assert.Empty(Diagnose(frozen).Findings);
    }

    [Fact]
    public void One_sample_with_one_value_a_channel_ruins_the_statistics_and_is_an_error()
    {
        using (var plain = nn.BatchNorm1d(3))
        {
            Assert.Equal(0, plain.call(ones(1, 3)).abs().sum().Number());
            Assert.True(double.IsNaN(plain.running_var!.sum().Number()));
        }

        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Apply(network);
        network.train();
        var finding = Assert.Single(GradientDiagnosis.Of(frozen, () => Loss(network, 8), Batches(network, 8, 1)).Findings);
        Assert.Equal((FindingKind.BatchOfOne, FindingSeverity.Error, "body.norm"), (finding.Kind, finding.Severity, finding.Module));
        Assert.Contains("it has one value a channel, and its variance becomes NaN", finding.What, StringComparison.Ordinal);
        // The batch itself has one sample: the step that would be looked at is the one that fails.
        Assert.Equal(FindingKind.BatchOfOne, Assert.Single(GradientDiagnosis.Of(frozen, () => Loss(network, 1), new DiagnosisOptions { BatchSizes = [1] }).Findings).Kind);
        Assert.Empty(GradientDiagnosis.Of(frozen, () => Loss(network, 8), Batches(network, 8, 2)).Findings);
        Assert.False(double.IsNaN(network.get_buffer("body.norm.running_var")!.sum().Number()));
    }

    [Fact]
    public void One_sample_with_many_values_a_channel_is_a_warning_and_a_held_norm_is_nothing()
    {
        using var network = nn.Sequential(("conv", nn.Conv2d(1, 4, 3)), ("norm", nn.BatchNorm2d(4)));
        Tensor First(int count) => network.call(Images().narrow(0, 0, count)).square().mean();
        var options = new DiagnosisOptions { BatchSizes = [4, 1], LossOfFirst = First };
        using (var moving = new FreezePlan().Apply(network))
        {
            var finding = Assert.Single(GradientDiagnosis.Of(moving, () => First(4), options).Findings);
            Assert.Equal((FindingKind.BatchOfOne, FindingSeverity.Warning, "norm"), (finding.Kind, finding.Severity, finding.Module));
        }

        using var held = new FreezePlan().Norm("**", NormPolicy.Hold).Apply(network, allowRandom: true);
        Assert.Empty(GradientDiagnosis.Of(held, () => First(4), options).Findings);
    }

    [Fact]
    public void A_loss_that_fails_on_one_sample_says_why()
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Apply(network);
        network.train();
        var options = new DiagnosisOptions { BatchSizes = [8, 1], LossOfFirst = count => count == 1 ? ones(2).view(3) : Loss(network, count) };
        var finding = Assert.Single(GradientDiagnosis.Of(frozen, () => Loss(network, 8), options).Findings);
        Assert.Contains("shape '[3]' is invalid for input of size 2", finding.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Modules_are_named_by_what_their_parts_have_in_common_and_parts_apart_where_they_differ()
    {
        using var network = new Towers(6);
        using var frozen = new FreezePlan().Apply(network);
        var findings = Diagnose(frozen).Findings;
        Assert.Equal(
            [(FindingKind.Detached, "towers.0"), (FindingKind.Unreachable, "towers.1"), (FindingKind.Detached, "towers.2")],
            findings.OrderBy(finding => finding.Module).Select(finding => (finding.Kind, finding.Module)));
    }

    [Fact]
    public void Trials_are_limited_and_what_was_not_tried_is_said()
    {
        using var network = new Towers(6);
        using var frozen = new FreezePlan().Apply(network);
        var calls = 0;
        var diagnosis = GradientDiagnosis.Of(
            frozen,
            () =>
            {
                calls++;
                return Loss(network, 8);
            },
            new DiagnosisOptions { MostTrials = 1 });
        // Four draws of a step, a control, a trial, and the graph.
        Assert.Equal(7, calls);
        Assert.Equal((FindingKind.Detached, "towers"), (diagnosis.Findings[0].Kind, diagnosis.Findings[0].Module));
        Assert.Equal("after 1 trials, parts of modules were taken to be cut off as the whole is", Assert.Single(diagnosis.Remarks));
    }

    [Fact]
    public void A_loss_that_is_never_the_same_tells_no_cause()
    {
        using var network = new FaultyNetwork(Fault.DetachedBranch, 6, 3);
        using var frozen = new FreezePlan().Apply(network);
        var calls = 0;
        var diagnosis = GradientDiagnosis.Of(frozen, () => Loss(network, 8).add(full(1, ++calls)).sum());
        Assert.Equal((FindingKind.Unreachable, "branch"), (diagnosis.Findings[0].Kind, diagnosis.Findings[0].Module));
        Assert.Contains("nothing leads from the loss to that", diagnosis.Findings[0].What, StringComparison.Ordinal);
        Assert.Contains("could not be told", Assert.Single(diagnosis.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public void A_difference_in_the_last_bits_is_none()
    {
        using var network = new FaultyNetwork(Fault.UnusedBranch, 6, 3);
        using var frozen = new FreezePlan().Apply(network);
        var calls = 0;
        var diagnosis = GradientDiagnosis.Of(frozen, () => Loss(network, 8).mul(tensor(1 + (1e-7f * (++calls % 2)))));
        Assert.Contains("the loss does not depend on that", Assert.Single(diagnosis.Findings).What, StringComparison.Ordinal);
        Assert.Empty(diagnosis.Remarks);
    }

    [Fact]
    public void A_layer_that_is_left_out_at_random_is_no_error()
    {
        using var network = new StochasticDepth();
        using var frozen = new FreezePlan().Apply(network);
        network.train();
        var withGradients = Enumerable.Range(0, 8).Select(seed => GradientsOfFirstStep(network, seed)).ToList();
        Assert.Contains(2, withGradients);
        Assert.Contains(4, withGradients);
        foreach (var seed in Enumerable.Range(0, 8).Where(seed => withGradients[seed] == 2 && Enumerable.Range(seed, 4).Any(next => next < 8 && withGradients[next] == 4)))
            Assert.Empty(GradientDiagnosis.Of(frozen, () => network.forward(ones(2, 3)).square().sum(), new DiagnosisOptions { Seed = seed }).Findings);
    }

    [Fact]
    public void A_network_that_cannot_be_trained_as_a_whole_leaves_a_remark_and_the_other_findings()
    {
        using var network = new Counting();
        using var frozen = new FreezePlan().Freeze("steps").Apply(network, allowRandom: true);
        var diagnosis = GradientDiagnosis.Of(frozen, () => network.forward(ones(2, 3)).sum());
        Assert.Empty(diagnosis.Findings);
        Assert.Contains("with everything trained, the loss fails: ", Assert.Single(diagnosis.Remarks), StringComparison.Ordinal);
        Assert.Equal(0, network.get_parameter("steps")!.Number());
    }

    [Fact]
    public void A_loss_of_several_numbers_is_refused_in_one_line()
    {
        using var network = new FaultyNetwork(Fault.None, 6, 3);
        using var frozen = new FreezePlan().Apply(network);
        var error = Assert.Throws<FrostlineException>(() => GradientDiagnosis.Of(frozen, () => network.forward(Inputs())));
        Assert.Equal("the loss is of shape [8, 3] and has to be one number; take its mean or sum", error.Message);
    }

    [Fact]
    public void Tied_parameters_count_once()
    {
        using var network = new TiedHead();
        using var frozen = new FreezePlan().Apply(network);
        Assert.Empty(GradientDiagnosis.Of(frozen, () => network.forward(ones(2, 3)).square().sum()).Findings);
    }

    [Fact]
    public void The_text_has_each_finding_with_its_remedy_and_a_count()
    {
        using var network = new FaultyNetwork(Fault.UnusedBranch, 6, 3);
        using var frozen = new FreezePlan().Freeze("body").Apply(network, allowRandom: true);
        Assert.Equal(
            """
            error: branch: its 4 trained parameters get no gradient: the loss does not depend on that
              remedy: use it in forward, or freeze "branch"
            note: body: frozen, and yet it runs backward and keeps activations, for the sake of what is trained below: stem
              remedy: nothing, where that has to be trained; else freeze stem too
            1 error, 1 note

            """,
            Diagnose(frozen).Describe());
    }

    private static GradientDiagnosis Diagnose(Fault fault)
    {
        using var network = new FaultyNetwork(fault, 6, 3);
        using var frozen = new FreezePlan().Apply(network);
        return Diagnose(frozen);
    }

    private static GradientDiagnosis Diagnose(FrozenModel frozen)
    {
        var network = (nn.Module<Tensor, Tensor>)frozen.Network;
        network.train();
        return GradientDiagnosis.Of(frozen, () => Loss(network, 8), new DiagnosisOptions { Seed = 3 });
    }

    private static DiagnosisOptions Batches(nn.Module<Tensor, Tensor> network, params int[] sizes) =>
        new() { BatchSizes = sizes, LossOfFirst = count => Loss(network, count) };

    private static Tensor Inputs() => tensor(DeterministicFill.Values("input:points", 8, 6), 8, 6);

    private static Tensor Images() => tensor(DeterministicFill.Values("input:images", 4, 1, 6, 6), 4, 1, 6, 6);

    private static Tensor Loss(nn.Module<Tensor, Tensor> network, int count) => network.forward(Inputs().narrow(0, 0, count)).square().mean();

    private static int GradientsOfFirstStep(StochasticDepth network, long seed)
    {
        manual_seed(seed).Dispose();
        network.forward(ones(2, 3)).square().sum().backward();
        var count = network.parameters().Count(parameter => parameter.grad is not null);
        foreach (var parameter in network.parameters()) parameter.grad = null;
        return count;
    }

    private static void TrainPlainly(FaultyNetwork network)
    {
        using var optimizer = optim.SGD(network.parameters().ToList(), 0.1);
        for (var i = 0; i < 3; i++)
        {
            using var pause = FinalizerPause.Enter();
            network.train();
            optimizer.zero_grad();
            Loss(network, 8).backward();
            optimizer.step();
        }
    }
}
