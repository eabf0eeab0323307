using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Native;
using Frostline.Optimization;
using Frostline.Selection;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

[Collection(LibTorchCollection.Name)]
public sealed class FrozenModelUpdateTests : IDisposable
{
    private readonly SmallNet _network = new();
    private readonly TemporaryFolder _folder = new();

    public FrozenModelUpdateTests() => random.manual_seed(4);

    public void Dispose()
    {
        _network.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("sgd")]
    [InlineData("adamw")]
    public void What_is_frozen_while_training_does_not_move_and_starts_afresh_when_it_comes_back(string kind)
    {
        OptimizerSettings settings = kind == "sgd" ? Optimizers.Sgd(0.05, momentum: 0.9, weightDecay: 0.1) : Optimizers.AdamW(0.05, weightDecay: 0.1);
        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        using var optimizer = frozen.Optimizer(settings);
        Train(optimizer, 3);
        var kept = StateOf(optimizer, "head.weight.");
        using var before = _network.StemConv.weight!.detach().clone();
        using var block = _network.block.named_parameters().First().parameter.detach().clone();

        var change = frozen.Update(new FreezePlan().Freeze("stem").Freeze("block | dict | list"));
        Assert.Equal(["block.bn.bias", "block.bn.weight", "block.conv.bias", "block.conv.weight", "dict.norm.bias", "dict.norm.weight", "list.0.bias", "list.0.weight", "list.1.bias", "list.1.weight"], change.Frozen.Order(StringComparer.Ordinal));
        Assert.Empty(change.Thawed);
        Assert.Equal(["head.bias", "head.weight"], optimizer.Parameters.Select(parameter => parameter.Name).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(optimizer.State(), part => part.Name.StartsWith("block", StringComparison.Ordinal));
        // What is still trained keeps its moments, bit for bit.
        Assert.Equal(kept, StateOf(optimizer, "head.weight."));
        Train(optimizer, 3);
        Assert.True(block.Equals(_network.block.named_parameters().First().parameter));
        frozen.Audit().ThrowIfAnythingMoved();

        change = frozen.Update(new FreezePlan().Train("**"));
        Assert.Equal((14, 0), (change.Thawed.Count, change.Frozen.Count));
        Assert.Equal(0, StateOf(optimizer, "block.conv.weight.").Sum(part => part.Value.Sum(Math.Abs)));
        Train(optimizer, 1);
        Assert.False(before.Equals(_network.StemConv.weight!));
        Assert.Empty(frozen.Audit().Moved);
    }

    [Fact]
    public void After_a_conversion_neither_a_step_nor_a_change_of_the_plan_works_with_handles_that_are_stale()
    {
        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        var optimizer = frozen.Optimizer(Optimizers.Sgd(0.05, momentum: 0.9));
        Train(optimizer, 1);
        _network.head.to(float64);
        Assert.Contains("build the optimizer after to()", Assert.Throws<FrostlineException>(optimizer.Step).Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => optimizer.Verify(_network));
        Assert.Contains("head.", Assert.Throws<FrostlineException>(() => frozen.Update(new FreezePlan().Freeze("stem | block"))).Message, StringComparison.Ordinal);
        // Nothing was changed.
        Assert.Single(frozen.Phases);
        Assert.All(_network.block.parameters(), parameter => Assert.True(parameter.requires_grad));

        // A new one goes on, and the plan with it.
        optimizer.Dispose();
        _network.head.to(float32);
        using var anew = frozen.Optimizer(Optimizers.Sgd(0.05, momentum: 0.9));
        frozen.Update(new FreezePlan().Freeze("stem | block"));
        Train(anew, 1);
        Assert.Empty(frozen.Audit().Moved);
    }

    [Fact]
    public void Norms_and_dropouts_follow_the_phase()
    {
        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        _network.train();
        Assert.Equal((false, false, true), (_network.StemNorm.training, _network.StemDropout.training, _network.block.training));
        frozen.Update(new FreezePlan().Train("stem", NormPolicy.Hold).Freeze("block"));
        // Dropout goes into the mode that was asked for last; the norm stays; what is new is held at once.
        Assert.Equal((false, true, false), (_network.StemNorm.training, _network.StemDropout.training, _network.block.training));
        _network.train();
        Assert.Equal((false, true, false), (_network.StemNorm.training, _network.StemDropout.training, _network.block.training));
        frozen.Verify();
        frozen.Update(new FreezePlan());
        Assert.Equal((true, true, true), (_network.StemNorm.training, _network.StemDropout.training, _network.block.training));
        Assert.DoesNotContain(_network.named_modules(), pair => pair.name.Contains("frostline", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_released_has_the_mode_that_it_had_when_it_began_to_be_held()
    {
        using var frozen = new FreezePlan().Apply(_network, allowRandom: true);
        _network.StemNorm.eval();
        frozen.Update(new FreezePlan().Freeze("stem"));
        frozen.Update(new FreezePlan().Freeze("stem | block"));
        frozen.Update(new FreezePlan());
        Assert.False(_network.StemNorm.training);
        Assert.True(_network.block.training);
    }

    [Fact]
    public void Disposing_after_changes_restores_what_the_first_plan_found()
    {
        _network.StemNorm.eval();
        _network.head.bias!.requires_grad = false;
        var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        frozen.Update(new FreezePlan().Freeze("block"));
        frozen.Update(new FreezePlan().Train("**"));
        Assert.True(_network.head.bias!.requires_grad);
        frozen.Dispose();
        Assert.False(_network.head.bias!.requires_grad);
        Assert.True(_network.StemConv.weight!.requires_grad);
        Assert.False(_network.StemNorm.training);
        Assert.True(_network.block.training);
        new FreezePlan().Freeze("head").Apply(_network, allowRandom: true).Dispose();
    }

    [Fact]
    public void An_impossible_change_changes_nothing()
    {
        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        using var optimizer = frozen.Optimizer(Optimizers.Sgd(0.1, momentum: 0.9));
        Train(optimizer, 1);
        var state = StateOf(optimizer, "");
        Assert.Throws<SelectionException>(() => frozen.Update(new FreezePlan().Freeze("nothing")));
        Assert.Throws<FreezeException>(() => frozen.Update(new FreezePlan().Freeze("**").Train("head").Freeze("**")));
        // An optimizer with nothing left to train.
        Assert.Contains("nothing to train", Assert.Throws<FrostlineException>(() => frozen.Update(new FreezePlan().Freeze("**"))).Message);
        frozen.Verify();
        Assert.Equal(state, StateOf(optimizer, ""));
        Assert.Single(frozen.Phases);
        Assert.True(_network.block.training);

        using var closed = nn.Sequential(("norm", new FrozenModelTests.ClosedNorm()), ("linear", nn.Linear(2, 2)));
        using var open = new FreezePlan().Freeze("linear").Apply(closed, allowRandom: true);
        Assert.Contains("cannot be held", Assert.Throws<FreezeException>(() => open.Update(new FreezePlan().Freeze("norm"))).Message);
        open.Verify();
        Assert.True(closed.named_parameters().First(pair => pair.name.StartsWith("norm", StringComparison.Ordinal)).parameter.requires_grad);
    }

    [Fact]
    public void What_was_neither_loaded_nor_trained_cannot_be_frozen_later()
    {
        using var checkpoint = Checkpoint.Open(SaveStem());
        var report = new InitializationPlan().Load("stem", checkpoint).Apply(_network, seed: 1);
        using var frozen = new FreezePlan().Freeze("stem").Parameters("dict", trained: false).Norm("dict", NormPolicy.Hold).Apply(_network, report, allowRandom: true);
        frozen.Update(new FreezePlan().Freeze("stem | block"));
        Assert.True(frozen.AllowsRandom);

        frozen.Dispose();
        using var strict = new FreezePlan().Freeze("stem").Apply(_network, report);
        // The block was trained till now, so that its values are no random ones any more.
        strict.Update(new FreezePlan().Freeze("stem | block"));
        Assert.Throws<ObjectDisposedException>(() => frozen.Update(new FreezePlan()));
    }

    [Fact]
    public void The_audit_covers_phases_that_are_over()
    {
        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        using (no_grad()) _network.StemNorm.running_mean!.add_(1);
        frozen.Update(new FreezePlan().Freeze("block"));
        using (no_grad()) _network.block.named_buffers().First().buffer.add_(1);
        using var optimizer = frozen.Optimizer(Optimizers.Sgd(0.1));
        Train(optimizer, 1);
        frozen.Update(new FreezePlan().Freeze("stem").Train("block"));
        var audit = frozen.Audit();
        Assert.Equal(["stem.bn.running_mean", "block.bn.running_mean"], audit.Moved.Select(moved => moved.Name));
        // stem.conv was trained in between: it moved, and was frozen as it is now.
        Assert.DoesNotContain(audit.Moved, moved => moved.Name == "stem.conv.weight");
        Assert.Equal(["block", "dict", "head", "list", "scale", "stem"], frozen.EverChanging.Select(name => name.Split('.')[0]).Distinct().Where(name => name != "hidden").Order(StringComparer.Ordinal));

        var text = frozen.Ledger.ToJson();
        frozen.Continue(AuditLedger.FromJson(text));
        Assert.Equal(text, frozen.Ledger.ToJson());
        Assert.Equal(2, frozen.Audit().Moved.Count);
        Assert.Throws<FreezeException>(() => AuditLedger.FromJson("{}"));
        Assert.Throws<FreezeException>(() => AuditLedger.FromJson("[1"));
    }

    [Fact]
    public void Trained_and_unmoved_names_the_likely_cause_also_of_a_phase_that_is_over()
    {
        using var frozen = new FreezePlan().Freeze("!head").Apply(_network, allowRandom: true);
        Assert.Contains("no gradient reached it", frozen.Audit().TrainedButUnmoved[0].Cause);
        using (var scope = NewDisposeScope()) _network.forward(randn(4, 1, 5, 5)).sum().backward();
        Assert.Contains("no step was made", frozen.Audit().TrainedButUnmoved[0].Cause);
        using (no_grad()) foreach (var parameter in _network.head.parameters()) parameter.grad!.zero_();
        Assert.Contains("zero throughout", frozen.Audit().TrainedButUnmoved[0].Cause);
        frozen.Update(new FreezePlan().Freeze("!block"));
        foreach (var parameter in _network.block.parameters()) using (no_grad()) parameter.add_(tensor(1f));
        Assert.Equal(["head.weight", "head.bias"], frozen.Audit().TrainedButUnmoved.Select(tensor => tensor.Name));
        Assert.Contains("zero throughout", frozen.Audit().TrainedButUnmoved[0].ToString());
    }

    [Fact]
    public void Only_what_no_phase_let_change_is_compared_with_a_file()
    {
        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        using var optimizer = frozen.Optimizer(Optimizers.Sgd(0.1));
        Train(optimizer, 1);
        var path = _folder.PathOf("early.safetensors");
        ModelFile.Save(_network, path);
        Train(optimizer, 1);
        frozen.Update(new FreezePlan().Freeze("!head"));
        // The file has the block as it was one step earlier, when it was trained.
        var audit = frozen.AuditFile(path);
        Assert.Empty(audit.Moved);
        Assert.Equal(7, audit.FrozenTensors);
    }

    [Fact]
    public void Copies_on_disk_tell_by_how_much_a_trained_and_frozen_tensor_moved()
    {
        using var frozen = new FreezePlan().Apply(_network, allowRandom: true);
        using (no_grad()) _network.block.named_parameters().First().parameter.add_(tensor(1f));
        frozen.Update(new FreezePlan().Freeze("block"));
        var path = _folder.PathOf("frozen.safetensors");
        frozen.SaveFrozen(path);
        using (no_grad()) _network.block.named_buffers().First(pair => pair.name.EndsWith("mean", StringComparison.Ordinal)).buffer[2] += tensor(0.5f);
        using var copies = Checkpoint.Open(path);
        Assert.All(copies.Tensors, tensor => Assert.StartsWith("block.", tensor.Name));
        var moved = Assert.Single(frozen.Audit([copies]).Moved);
        Assert.Equal(("block.bn.running_mean", 1L, 0.5), (moved.Name, moved.ChangedElements!.Value, moved.LargestChange!.Value));
    }

    [Fact]
    public void A_file_that_does_not_hold_what_was_says_nothing_of_the_change()
    {
        var path = _folder.PathOf("other.safetensors");
        ModelFile.Save(_network, path);
        using (no_grad()) _network.StemNorm.running_mean!.add_(tensor(1f));
        using var frozen = new FreezePlan().Freeze("stem").Apply(_network, allowRandom: true);
        using (no_grad()) _network.StemNorm.running_mean!.add_(tensor(1f));
        using var other = Checkpoint.Open(path);
        Assert.Null(Assert.Single(frozen.Audit([other]).Moved).LargestChange);
    }

    [Fact]
    public void The_same_rules_again_change_nothing_and_epochs_are_remembered()
    {
        var plan = new FreezePlan().Freeze("!head").FromEpoch(2).Train("block", warmUp: 1);
        using var frozen = plan.Apply(_network, allowRandom: true);
        for (var epoch = 0; epoch < 5; epoch++)
        {
            // The same rules of another object are the same rules.
            plan = new FreezePlan().Freeze("!head").FromEpoch(2).Train("block", warmUp: 1);
            var change = frozen.Update(plan.At(epoch), epoch);
            Assert.Equal(epoch == 2 ? 4 : 0, change.Thawed.Count);
        }

        Assert.Equal([0d, 2d], frozen.Phases.Select(phase => phase.Epoch));
        Assert.Equal([10L, 42L], frozen.Phases.Select(phase => phase.Trained).Select(trained => trained == frozen.Plan.TrainedParameters ? 42L : trained));
        Assert.All(frozen.Trained, parameter => Assert.Equal(parameter.Name.StartsWith("block", StringComparison.Ordinal) ? (1d, 2d) : (0d, 0d), (parameter.WarmUp, parameter.Since)));
    }

    private string SaveStem()
    {
        var path = _folder.PathOf("stem.safetensors");
        SafetensorsWriter.Write(path, [.. ModelFile.Tensors(_network).Where(tensor => tensor.Info.Name.StartsWith("stem", StringComparison.Ordinal))]);
        return path;
    }

    private void Train(NamedOptimizer optimizer, int steps)
    {
        for (var i = 0; i < steps; i++)
        {
            using var pause = FinalizerPause.Enter();
            using var scope = NewDisposeScope();
            _network.train();
            optimizer.ZeroGrad();
            _network.forward(randn(8, 1, 5, 5)).square().mean().backward();
            optimizer.Step();
        }
    }

    private static Dictionary<string, float[]> StateOf(NamedOptimizer optimizer, string prefix)
    {
        using var scope = NewDisposeScope();
        return optimizer.State().Where(part => part.Name.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(part => part.Name, part => part.Tensor.to(float32).flatten().data<float>().ToArray());
    }
}
