using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Testing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary><see cref="FreezeAudit.OfFiles"/>: two files, a plan, and a network that neither was read into.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class FileAuditTests : IDisposable
{
    private readonly SmallNet _network = new();
    private readonly TemporaryFolder _folder = new();

    public FileAuditTests() => random.manual_seed(1);

    public void Dispose()
    {
        _network.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void It_finds_what_the_audit_of_the_network_finds()
    {
        foreach (var plan in new[]
        {
            new FreezePlan().Freeze("!head"), new FreezePlan().Parameters("!head", trained: false), new FreezePlan().Freeze("!head", NormPolicy.Move),
        })
        {
            var before = Save("before.safetensors");
            FreezeAudit inMemory;
            using (var frozen = plan.Apply(_network, allowRandom: true))
            using (var file = Checkpoint.Open(before))
            {
                using var optimizer = optim.SGD([_network.head.weight!], 0.1);
                _network.Train(optimizer);
                using (no_grad()) _network.StemConv.weight!.neg_();
                inMemory = frozen.Audit([file]);
            }

            using var other = new SmallNet();
            var ofFiles = Audit(before, Save("after.safetensors"), plan, network: other);
            Assert.Equal(inMemory.Moved, ofFiles.Moved);
            Assert.Contains("stem.conv.weight", ofFiles.Moved.Select(moved => moved.Name));
            Assert.Equal(inMemory.StatedDrift, ofFiles.StatedDrift);
            Assert.Equal(["head.bias"], ofFiles.TrainedButUnmoved.Select(tensor => tensor.Name));
            // The buffer that is not persistent belongs into no file.
            var hidden = plan.Preview(other).Tensors.Count(tensor => !tensor.Persistent && tensor.State == TensorState.Frozen);
            Assert.Equal(inMemory.FrozenTensors - hidden, ofFiles.FrozenTensors);
            Assert.Empty(ofFiles.NotCompared);
        }
    }

    [Theory]
    [InlineData("model.")]
    [InlineData("module.")]
    public void Either_file_may_have_the_prefix_of_a_training(string prefix)
    {
        var (plain, prefixed) = (Save("plain.safetensors"), Save("prefixed.safetensors", name => prefix + name));
        var plan = new FreezePlan().Freeze("!head");
        foreach (var (before, after) in new[] { (plain, prefixed), (prefixed, plain), (prefixed, prefixed) })
        {
            var audit = Audit(before, after, plan);
            audit.ThrowIfAnythingMoved();
            Assert.True(audit.FrozenTensors > 20);
        }
    }

    [Fact]
    public void What_the_later_file_lacks_has_moved()
    {
        var before = Save("before.safetensors");
        var after = Save("after.safetensors", name => name == "list.1.running_var" ? null : name);
        var moved = Assert.Single(Audit(before, after, new FreezePlan().Freeze("!head")).Moved);
        Assert.Equal(("list.1.running_var", TensorChange.Missing), (moved.Name, moved.Change));
        Assert.Equal(
            ("list.1.running_var", UncomparedCause.Unknown, "not in after.safetensors"),
            Assert.Single(Audit(after, before, new FreezePlan().Freeze("!head")).NotCompared) is var tensor ? (tensor.Name, tensor.Cause, tensor.Reason) : default);
    }

    [Fact]
    public void Frozen_is_what_no_phase_lets_change_also_one_between_the_epochs()
    {
        var before = Save("before.safetensors");
        using (no_grad()) _network.StemConv.weight!.neg_();
        var after = Save("after.safetensors");
        // A plateau in the first three epochs lets the stem be trained; after them nothing does.
        var plan = new FreezePlan().Freeze("!head").FromPlateau(1).Train("stem.conv").FromEpoch(3).Freeze("stem.conv").FromEpoch(2).Train("block.bn");
        var audit = Audit(before, after, plan);
        Assert.Empty(audit.Moved);
        var causes = audit.TrainedButUnmoved.ToDictionary(tensor => tensor.Name, tensor => tensor.Cause, StringComparer.Ordinal);
        Assert.Equal("it is trained after plateau 1, which may not have come", causes["stem.conv.bias"]);
        Assert.StartsWith("it is trained once 2 epochs are over:", causes["block.bn.weight"], StringComparison.Ordinal);
        Assert.StartsWith("no gradient reached it,", causes["head.weight"], StringComparison.Ordinal);
        Assert.Equal(["stem.conv.weight"], Audit(before, after, new FreezePlan().Freeze("!head")).Moved.Select(moved => moved.Name));
    }

    [Fact]
    public void A_counter_that_an_old_file_lacks_was_zero()
    {
        var old = Save("old.safetensors", name => name.EndsWith("num_batches_tracked", StringComparison.Ordinal) ? null : name);
        using var source = Checkpoint.Open(old);
        var report = new InitializationPlan().Load("**", source).Apply(_network, seed: 1);
        var plan = new FreezePlan().Freeze("!head");
        var held = Audit(old, Save("held.safetensors"), plan, report);
        Assert.Equal((0, 0), (held.Moved.Count, held.NotCompared.Count));
        using (no_grad()) _network.StemNorm.num_batches_tracked!.add_(3);
        var moved = Assert.Single(Audit(old, Save("moved.safetensors"), plan, report).Moved);
        Assert.Equal(("stem.bn.num_batches_tracked", 1L, 3.0), (moved.Name, moved.ChangedElements, moved.LargestChange));
    }

    [Fact]
    public void What_was_loaded_from_elsewhere_or_adapted_is_not_compared_with_an_original()
    {
        var original = Save("original.safetensors");
        using var first = Checkpoint.Open(original);
        using (no_grad()) _network.head.weight!.neg_();
        using var second = Checkpoint.Open(Save("second.safetensors"));
        var report = new InitializationPlan().Load("!head", first).Load("head", second)
            .Load("stem.bn.weight", first, options: new LoadOptions { Interpolate = new PositionTables { Of = "stem.bn.weight", From = [1, 4], To = [2, 2] } })
            .Apply(_network, seed: 1);
        var audit = Audit(original, Save("after.safetensors"), new FreezePlan().Freeze("**"), report);
        Assert.Empty(audit.Moved);
        var reasons = audit.NotCompared.ToDictionary(tensor => tensor.Name, tensor => (tensor.Cause, tensor.Reason), StringComparer.Ordinal);
        Assert.Equal(["head.bias", "head.weight", "stem.bn.weight"], reasons.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((UncomparedCause.Unknown, "not in original.safetensors: loaded from second.safetensors"), reasons["head.weight"]);
        Assert.Equal(UncomparedCause.Computed, reasons["stem.bn.weight"].Cause);
        Assert.Contains("adapted: interpolate", reasons["stem.bn.weight"].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tied_tensor_may_be_there_under_either_name()
    {
        using var tied = new TiedNet();
        using var report = Checkpoint.Open(SaveOf(tied, "all.safetensors"));
        var second = SaveOf(tied, "second.safetensors", name => name == "first.weight" ? null : name);
        var audit = Audit(report.Source, second, new FreezePlan().Freeze("first | second"), network: tied);
        audit.ThrowIfAnythingMoved();
        Assert.Equal(3, audit.FrozenTensors);
    }

    [Fact]
    public void Files_of_other_networks_and_damaged_ones_are_refused()
    {
        var good = Save("good.safetensors");
        var strange = _folder.PathOf("strange.safetensors");
        SafetensorsWriter.Write(strange, [TensorSource.From(new TensorInfo("w", TensorType.UInt8, [1]), new byte[1])]);
        var error = Assert.Throws<FreezeException>(() => Audit(strange, good, new FreezePlan().Freeze("!head")));
        Assert.Contains("strange.safetensors has no tensor of the network", error.Message, StringComparison.Ordinal);
        Assert.Contains("for example \"w\"", error.Message, StringComparison.Ordinal);

        // The sum of an entry of a zip file is wrong.
        var path = _folder.PathOf("damaged.pth");
        using (var stream = File.Create(path)) PyTorchWriter.Write(stream, [.. ModelFile.Tensors(_network)]);
        var bytes = File.ReadAllBytes(path);
        var weight = TensorBytes.Read(_network.StemConv.weight!);
        bytes[bytes.AsSpan().IndexOf(weight)] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.Throws<CheckpointException>(() => Audit(path, good, new FreezePlan().Freeze("!head")));
    }

    private FreezeAudit Audit(
        string before, string after, FreezePlan plan, InitializationReport? initialized = null, nn.Module? network = null)
    {
        using var first = Checkpoint.Open(before);
        using var second = Checkpoint.Open(after);
        return FreezeAudit.OfFiles(first, second, plan, network ?? _network, initialized);
    }

    private string Save(string file, Func<string, string?>? rename = null) => SaveOf(_network, file, rename);

    private string SaveOf(nn.Module network, string file, Func<string, string?>? rename = null)
    {
        var path = _folder.PathOf(file);
        SafetensorsWriter.Write(path, [.. ModuleTree.Of(network).Tensors
            .Where(entry => entry.Persistent)
            .Select(entry => (Name: rename is null ? entry.Name : rename(entry.Name), entry.Tensor))
            .Where(entry => entry.Name is not null)
            .Select(entry => TensorBytes.SourceOf(entry.Name!, entry.Tensor))]);
        return path;
    }

    private sealed class TiedNet : nn.Module<Tensor, Tensor>
    {
        private readonly Linear first = nn.Linear(3, 3);
        private readonly Linear second = nn.Linear(3, 3);

        internal TiedNet()
            : base(nameof(TiedNet))
        {
            RegisterComponents();
            second.weight = first.weight;
        }

        public override Tensor forward(Tensor input) => second.forward(first.forward(input));
    }
}
