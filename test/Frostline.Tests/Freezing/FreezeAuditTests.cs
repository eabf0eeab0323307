using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Testing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

[Collection(LibTorchCollection.Name)]
public sealed class FreezeAuditTests : IDisposable
{
    private readonly SmallNet _network = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("frostline").FullName;

    public FreezeAuditTests() => random.manual_seed(1);

    public void Dispose()
    {
        _network.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("stem.conv.weight")]
    [InlineData("stem.bn.running_mean")]
    [InlineData("stem.bn.num_batches_tracked")]
    [InlineData("hidden")]
    public void One_flipped_bit_is_named(string name)
    {
        using var frozen = new FreezePlan().Freeze("!head").Apply(_network, allowRandom: true);
        Assert.Empty(frozen.Audit().Moved);

        var tensor = ModuleTree.Of(_network).Find(name)!.Tensor;
        var bytes = TensorBytes.Read(tensor);
        bytes[^1] ^= 1;
        TensorBytes.Write(tensor, bytes);

        var audit = frozen.Audit();
        Assert.Equal([name], audit.Moved.Select(moved => moved.Name));
        var exception = Assert.Throws<FreezeException>(audit.ThrowIfAnythingMoved);
        Assert.Contains($"1 of {frozen.Plan.FrozenTensors} frozen tensors moved: {name}", exception.Message);

        bytes[^1] ^= 1;
        TensorBytes.Write(tensor, bytes);
        frozen.Audit().ThrowIfAnythingMoved();
    }

    [Fact]
    public void A_change_of_sign_of_zero_is_a_change()
    {
        using (no_grad()) _network.head.bias!.zero_();
        using var frozen = new FreezePlan().Freeze("head").Apply(_network, allowRandom: true);
        using (no_grad()) _network.head.bias!.neg_();
        Assert.Equal(["head.bias"], frozen.Audit().Moved.Select(moved => moved.Name));
    }

    [Fact]
    public void A_plan_that_freezes_only_parameters_makes_the_audit_name_the_drifting_statistics()
    {
        foreach (var plan in new[] { new FreezePlan().Parameters("!head", trained: false), new FreezePlan().Freeze("**.weight | **.bias").Parameters("head", trained: true) })
        {
            using var frozen = plan.Apply(_network, allowRandom: true);
            using var optimizer = optim.SGD(frozen.Trained.Select(trained => trained.Parameter).ToList(), 0.1);
            _network.Train(optimizer);

            string[] norms = ["stem.bn", "list.1", "dict.norm", "block.bn"];
            var expected = norms.SelectMany(norm => new[] { norm + ".running_mean", norm + ".running_var", norm + ".num_batches_tracked" });
            Assert.Equal(expected.Order(), frozen.Audit().Moved.Select(moved => moved.Name).Order());
            Assert.Throws<FreezeException>(frozen.Audit().ThrowIfAnythingMoved);
        }
    }

    [Fact]
    public void Statistics_that_move_because_the_plan_says_so_are_named_and_no_error()
    {
        using var frozen = new FreezePlan().Freeze("!head", NormPolicy.Move).Apply(_network, allowRandom: true);
        using var optimizer = optim.SGD(frozen.Trained.Select(trained => trained.Parameter).ToList(), 0.1);
        _network.Train(optimizer);
        var audit = frozen.Audit();
        audit.ThrowIfAnythingMoved();
        Assert.Equal(12, audit.StatedDrift.Count);
        Assert.Contains(frozen.Plan.Warnings, warning => warning.Contains("as the plan says", StringComparison.Ordinal));
    }

    [Fact]
    public void Trained_parameters_that_did_not_move_are_listed()
    {
        using var frozen = new FreezePlan().Freeze("!head").Apply(_network, allowRandom: true);
        Assert.Equal(["head.weight", "head.bias"], frozen.Audit().TrainedButUnmoved.Select(tensor => tensor.Name));
        using var optimizer = optim.SGD([_network.head.weight!], 0.1);
        _network.Train(optimizer);
        Assert.Equal(["head.bias"], frozen.Audit().TrainedButUnmoved.Select(tensor => tensor.Name));
    }

    [Fact]
    public void With_a_file_of_before_the_audit_says_by_how_much()
    {
        var path = Save("before.safetensors");
        using var before = Checkpoint.Open(path);
        using var frozen = new FreezePlan().Freeze("!head").Apply(_network, allowRandom: true);
        using (no_grad())
        {
            _network.StemNorm.running_mean![1] += 0.25;
            _network.StemNorm.num_batches_tracked!.add_(3);
        }

        var moved = frozen.Audit([before]).Moved.ToDictionary(tensor => tensor.Name);
        Assert.Equal(2, moved.Count);
        Assert.Equal((1L, 0.25), (moved["stem.bn.running_mean"].ChangedElements!.Value, moved["stem.bn.running_mean"].LargestChange!.Value));
        Assert.Equal(3, moved["stem.bn.num_batches_tracked"].LargestChange);
        Assert.Contains("stem.bn.running_mean (1 element by up to 2.5e-1)", frozen.Audit([before]).ToString());
        // Without one, only that it moved.
        Assert.All(frozen.Audit().Moved, tensor => Assert.Null(tensor.LargestChange));
    }

    [Fact]
    public void A_written_file_is_read_again_and_compared()
    {
        using var frozen = new FreezePlan().Freeze("!head").Apply(_network, allowRandom: true);
        var good = frozen.AuditFile(Save("good.safetensors"));
        good.ThrowIfAnythingMoved();
        // The buffer that is not persistent belongs into no file.
        Assert.Equal(frozen.Plan.FrozenTensors - 1, good.FrozenTensors);

        var lacking = Save("lacking.safetensors", entry => entry.Name != "list.1.running_var");
        var missing = Assert.Single(frozen.AuditFile(lacking).Moved);
        Assert.Equal(("list.1.running_var", TensorChange.Missing), (missing.Name, missing.Change));

        using (no_grad()) _network.StemNorm.running_var!.add_(1);
        var wrong = Save("wrong.safetensors");
        using (no_grad()) _network.StemNorm.running_var!.sub_(1);
        Assert.Equal(["stem.bn.running_var"], frozen.AuditFile(wrong).Moved.Select(moved => moved.Name));
        frozen.Audit().ThrowIfAnythingMoved();
    }

    [Fact]
    public void Fingerprints_survive_being_written_so_that_a_resumed_run_can_compare_with_the_first()
    {
        var first = Fingerprints.FromJson(Fingerprints.Of(_network).ToJson());
        using (no_grad()) _network.StemNorm.running_mean!.add_(1);
        using var frozen = new FreezePlan().Freeze("!head").Apply(_network, allowRandom: true);
        Assert.Empty(frozen.Audit().Moved);
        frozen.Continue(AuditLedger.FromJson(AuditLedger.Of(first).ToJson()));
        Assert.Equal(["stem.bn.running_mean"], frozen.Audit().Moved.Select(moved => moved.Name));

        Assert.Throws<FreezeException>(() => Fingerprints.FromJson("[]"));
        Assert.Throws<FreezeException>(() => Fingerprints.FromJson("{\"a\":{}}"));
        Assert.Throws<FreezeException>(() => Fingerprints.FromJson("null"));
    }

    [Fact]
    public void Fingerprints_are_taken_where_the_values_lie()
    {
        using var network = nn.Sequential(("a", nn.Linear(1024, 2048)), ("b", nn.Linear(2048, 2048)), ("c", nn.Linear(2048, 2048)));
        var prints = Fingerprints.Of(network);
        // All of the process is counted, in which other tests run too; a copy would be made each time.
        var allocated = Enumerable.Range(0, 20).Min(_ =>
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            Fingerprints.Of(network);
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        });
        // 42 MB of values, of which nothing is copied.
        Assert.True(allocated < 1 << 20, $"{allocated} bytes were allocated");
        Assert.Equal(6, prints.Names.Count());
        Assert.All(prints.Names, name => Assert.Equal(32, prints.Find(name)!.Hash.Length));
    }

    [Fact]
    public void Fingerprints_do_not_depend_on_strides_and_differ_by_type_and_shape()
    {
        using var network = nn.Sequential(("a", nn.Linear(2, 3)));
        var module = network.children().First();
        using var plain = arange(6, ScalarType.Float32).reshape(2, 3);
        using var strided = plain.t().contiguous().t();
        Assert.False(strided.is_contiguous());
        module.register_buffer("plain", plain);
        module.register_buffer("strided", strided);
        module.register_buffer("reshaped", arange(6, ScalarType.Float32));
        var prints = Fingerprints.Of(network);
        Assert.Equal(prints.Find("a.plain"), prints.Find("a.strided"));
        Assert.Equal(prints.Find("a.plain")!.Hash, prints.Find("a.reshaped")!.Hash);
        Assert.NotEqual(prints.Find("a.plain"), prints.Find("a.reshaped"));
        Assert.Null(prints.Find("b"));
    }

    private string Save(string file, Func<TensorEntry, bool>? which = null)
    {
        var path = Path.Combine(_folder, file);
        SafetensorsWriter.Write(path, [.. ModuleTree.Of(_network).DistinctTensors
            .Where(entry => entry.Persistent && (which?.Invoke(entry) ?? true))
            .Select(entry => new TensorSource(
                new TensorInfo(entry.Name, TensorBytes.TypeOf(entry.Tensor), entry.Tensor.shape),
                stream => stream.Write(TensorBytes.Read(entry.Tensor))))]);
        return path;
    }
}
