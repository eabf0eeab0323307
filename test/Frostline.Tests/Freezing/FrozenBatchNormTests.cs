using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Native;
using Frostline.Testing;
using Frostline.Tests.Initialization;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary>The module itself: what it computes, what it keeps, and that nothing of it moves.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class FrozenBatchNormTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public FrozenBatchNormTests() => random.manual_seed(1);

    public void Dispose() => _scope.Dispose();

    /// <summary>Dimensions, type, affine, and whether the momentum is null.</summary>
    public static TheoryData<int, ScalarType, bool, bool> Kinds => new()
    {
        { 1, ScalarType.Float32, true, false },
        { 2, ScalarType.Float32, true, false },
        { 3, ScalarType.Float32, true, false },
        { 1, ScalarType.Float64, false, false },
        { 2, ScalarType.Float64, true, true },
        { 2, ScalarType.Float32, false, true },
        { 3, ScalarType.Float64, false, false },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void It_computes_what_BatchNorm_does_in_inference_mode(int dimensions, ScalarType type, bool affine, bool cumulative)
    {
        using var norm = Used(dimensions, type, affine, cumulative);
        using var frozen = FrozenBatchNorm.From(norm);
        norm.eval();
        foreach (var training in new[] { false, true })
        {
            frozen.train(training);
            var (x, y) = (Input(dimensions, type, 7).requires_grad_(), Input(dimensions, type, 7).requires_grad_());
            var (expected, actual) = (norm.call(x), frozen.call(y));
            Assert.True(expected.Equals(actual));
            Assert.Equal(type, actual.dtype);

            // Gradients pass to the input, as many bits of them.
            var weights = randn(expected.shape, dtype: type);
            expected.mul(weights).sum().backward();
            actual.mul(weights).sum().backward();
            Assert.True(x.grad!.Equals(y.grad!));
            Assert.True(y.grad!.abs().max().Number() > 0.01);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void There_and_back_is_exact(int dimensions, ScalarType type, bool affine, bool cumulative)
    {
        using var norm = Used(dimensions, type, affine, cumulative);
        var before = Fingerprints.Of(norm);
        using var frozen = FrozenBatchNorm.From(norm);
        AssertSame(before, frozen);
        Assert.Empty(frozen.parameters());
        Assert.Equal((4L, dimensions, 2e-3, affine), (frozen.Features, frozen.Dimensions, frozen.Epsilon, frozen.Affine));

        using var back = frozen.ToBatchNorm();
        AssertSame(before, back);
        Assert.Equal(norm.GetType(), back.GetType());
        Assert.Equal((norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats), (back.num_features, back.eps, back.momentum, back.affine, back.track_running_stats));
        Assert.Equal(norm.training, back.training);
        Assert.True(back.parameters().All(parameter => parameter.requires_grad));
        Assert.Equal(norm.named_parameters().Select(pair => pair.name), back.named_parameters().Select(pair => pair.name));

        // Copies: what happens to one does not happen to another.
        using (no_grad()) norm.running_mean!.zero_();
        AssertSame(before, frozen);
        AssertSame(before, back);
    }

    [Fact]
    public void A_reverted_norm_goes_on_as_if_nothing_had_happened()
    {
        foreach (var cumulative in new[] { false, true })
        {
            using var norm = Used(2, ScalarType.Float32, affine: true, cumulative);
            using var frozen = FrozenBatchNorm.From(norm);
            using var back = frozen.ToBatchNorm();
            var x = Input(2, ScalarType.Float32, 9);
            foreach (var one in new[] { norm, back }) one.train();
            Assert.True(norm.call(x).Equals(back.call(x)));
            AssertSame(Fingerprints.Of(norm), back);
        }
    }

    [Fact]
    public void Checkpoints_load_both_ways()
    {
        using var norm = Used(2, ScalarType.Float32, affine: true, cumulative: false);
        using var frozen = FrozenBatchNorm.From(norm);
        string[] names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
        Assert.Equal(names, ModuleTree.Of(norm).Tensors.Select(entry => entry.Name));
        Assert.Equal(names, ModuleTree.Of(frozen).Tensors.Select(entry => entry.Name));
        Assert.Equal(names.Order(), frozen.state_dict().Keys.Order());

        using var folder = new TemporaryFolder();
        var (trained, held) = (folder.PathOf("norm.dat"), folder.PathOf("frozen.dat"));
        norm.save(trained);
        frozen.save(held);
        using var empty = new FrozenBatchNorm(4);
        empty.load(trained);
        AssertSame(Fingerprints.Of(norm), empty);
        using var other = nn.BatchNorm2d(4);
        other.load(held);
        AssertSame(Fingerprints.Of(norm), other);

        using var third = new FrozenBatchNorm(4);
        using var file = Frostline.Checkpoints.Checkpoint.Open(trained);
        var report = new InitializationPlan().Load("**", file).Apply(third, seed: 1);
        AssertSame(Fingerprints.Of(norm), third);
        Assert.Equal(5, report.Tensors.Count);

        // A file of torchvision's FrozenBatchNorm2d has no counter.
        using var without = Networks.Checkpoint(norm, tensor => tensor.Info.Name == "num_batches_tracked" ? null : tensor);
        using var fourth = new FrozenBatchNorm(4);
        new InitializationPlan().Load("**", without).Apply(fourth, seed: 1);
        Assert.Equal(Fingerprints.Of(norm).Find("running_var"), Fingerprints.Of(fourth).Find("running_var"));
        Assert.Equal(0, fourth.get_buffer("num_batches_tracked")!.WholeNumber());
    }

    [Fact]
    public void A_new_one_changes_nothing_and_is_drawn_like_a_norm()
    {
        using var norm = new FrozenBatchNorm(4, eps: 0);
        var x = Input(2, ScalarType.Float32, 3);
        Assert.True(x.Equals(norm.call(x)));

        using (no_grad()) norm.get_buffer("weight")!.zero_();
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(norm, seed: 1);
        Assert.True(x.Equals(norm.call(x)));
    }

    [Fact]
    public void Twenty_steps_in_training_mode_move_nothing()
    {
        // TorchVision's FrozenBatchNorm2d for TorchSharp wrote over its bias at every forward; here each one is looked at.
        using var network = nn.Sequential(("low", nn.Conv2d(1, 4, 3)), ("bn", nn.BatchNorm2d(4)), ("high", nn.Conv2d(4, 2, 3)));
        Assert.Equal(["bn"], FrozenBatchNorm.Replace(network));
        var norm = network.children().ElementAt(1);
        var (before, low) = (Fingerprints.Of(norm), Fingerprints.Of(network.children().First()));
        using var optimizer = optim.SGD([.. network.parameters()], 0.1, momentum: 0.9, weight_decay: 0.1);
        for (var i = 0; i < 20; i++)
        {
            using var pause = FinalizerPause.Enter();
            using var scope = NewDisposeScope();
            network.train();
            optimizer.zero_grad();
            network.call(randn(4, 1, 8, 8)).square().mean().backward();
            optimizer.step();
            AssertSame(before, norm);
        }

        Assert.NotEqual(low.Find("weight"), Fingerprints.Of(network.children().First()).Find("weight"));
    }

    [Fact]
    public void It_follows_the_network_to_another_type()
    {
        using var norm = Used(2, ScalarType.Float32, affine: true, cumulative: false);
        using var network = nn.Sequential(("bn", FrozenBatchNorm.From(norm)));
        network.to(ScalarType.Float64);
        norm.to(ScalarType.Float64);
        norm.eval();
        var x = Input(2, ScalarType.Float64, 4);
        Assert.True(norm.call(x).Equals(network.call(x)));
        AssertSame(Fingerprints.Of(norm), network.children().First());
    }

    [Fact]
    public void It_outlives_the_scope_in_which_it_was_made()
    {
        FrozenBatchNorm frozen;
        BatchNorm back;
        using (NewDisposeScope())
        {
            frozen = FrozenBatchNorm.From(Used(2, ScalarType.Float32, affine: true, cumulative: false));
            back = frozen.ToBatchNorm();
        }

        AssertSame(Fingerprints.Of(frozen), back);
        frozen.Dispose();
        back.Dispose();
    }

    [Fact]
    public void An_input_of_another_kind_is_refused()
    {
        using var norm = new FrozenBatchNorm(4);
        Assert.Equal(
            "a FrozenBatchNorm reads 4 channels and 2 further dimensions but gets [2, 4, 3]",
            Assert.Throws<FrostlineException>(() => norm.call(randn(2, 4, 3))).Message);
        Assert.Throws<FrostlineException>(() => norm.call(randn(2, 3, 3, 3)));
        using var flat = new FrozenBatchNorm(4, dimensions: 1);
        Assert.Equal([2, 4], flat.call(randn(2, 4)).shape);
        Assert.Equal([2, 4, 3], flat.call(randn(2, 4, 3)).shape);
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrozenBatchNorm(4, dimensions: 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrozenBatchNorm(0));
    }

    /// <summary>A norm that has seen three batches, with weights of its own.</summary>
    internal static BatchNorm Used(int dimensions, ScalarType type, bool affine, bool cumulative)
    {
        // TorchSharp counts in the type that a norm is made with; in int64, as PyTorch, where none is given.
        ScalarType? madeWith = affine ? null : type;
        BatchNorm norm = dimensions switch
        {
            1 => nn.BatchNorm1d(4, 2e-3, 0.3, affine, dtype: madeWith),
            2 => nn.BatchNorm2d(4, 2e-3, 0.3, affine, dtype: madeWith),
            _ => nn.BatchNorm3d(4, 2e-3, 0.3, affine, dtype: madeWith),
        };
        norm.to(type);
        Assert.Equal(affine ? ScalarType.Int64 : type, norm.num_batches_tracked!.dtype);
        if (cumulative) norm.momentum = null;
        using var pause = FinalizerPause.Enter();
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        foreach (var parameter in norm.parameters()) parameter.copy_(rand(4, dtype: type));
        for (var i = 0; i < 3; i++) norm.call(Input(dimensions, type, 5));
        return norm;
    }

    private static Tensor Input(int dimensions, ScalarType type, int batch)
    {
        long[] shape = [batch, 4, .. Enumerable.Repeat(3L, dimensions)];
        random.manual_seed(batch);
        return randn(shape, dtype: type).add(full(1, 0.7, dtype: type)).detach();
    }

    private static void AssertSame(Fingerprints expected, nn.Module module)
    {
        var actual = Fingerprints.Of(module);
        Assert.Equal(expected.Names, actual.Names);
        foreach (var name in expected.Names) Assert.Equal(expected.Find(name), actual.Find(name));
    }
}
