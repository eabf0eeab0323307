using Frostline.Freezing;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary>What each policy does to each kind of norm, beside the same norm without Frostline.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class NormPolicyTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public NormPolicyTests() => random.manual_seed(5);

    public static TheoryData<int, bool, bool> BatchNorms
    {
        get
        {
            var data = new TheoryData<int, bool, bool>();
            foreach (var dimensions in new[] { 1, 2, 3 })
                foreach (var affine in new[] { true, false })
                    foreach (var cumulative in new[] { true, false })
                        data.Add(dimensions, affine, cumulative);
            return data;
        }
    }

    public void Dispose() => _scope.Dispose();

    [Theory]
    [MemberData(nameof(BatchNorms))]
    public void A_BatchNorm_moves_as_without_a_plan_or_is_held(int dimensions, bool affine, bool cumulative)
    {
        var batches = Enumerable.Range(0, 3).Select(i => randn([6, 3, .. Enumerable.Repeat(2L, dimensions)]) + tensor(i + 2f)).ToList();
        using var plain = Make(dimensions, affine, cumulative);
        var expected = batches.ConvertAll(plain.forward);

        // Moving under frozen weights: bit for bit what TorchSharp does alone; without momentum the plain average of all batches.
        using (var norm = Make(dimensions, affine, cumulative))
        using (var moving = new FreezePlan().Freeze("**", NormPolicy.Move).Apply(norm, allowRandom: true))
        {
            norm.train();
            for (var i = 0; i < batches.Count; i++) Assert.True(expected[i].Equals(norm.forward(batches[i])));
            Assert.True(plain.running_mean!.Equals(norm.running_mean!));
            Assert.True(plain.running_var!.Equals(norm.running_var!));
            Assert.Empty(moving.Audit().Moved);
            // Without weights there is nothing frozen below which they could drift.
            Assert.Equal(affine ? 3 : 0, moving.Audit().StatedDrift.Count);
            if (cumulative)
            {
                var average = stack([.. batches.Select(batch => batch.transpose(0, 1).flatten(1).mean([1]))]).mean([0]);
                Assert.True(average.allclose(norm.running_mean!, rtol: 1e-5, atol: 1e-6));
            }
        }

        // Held: what it computes in inference mode, in training mode too.
        using (var norm = Make(dimensions, affine, cumulative))
        using (var held = new FreezePlan().Train("**", NormPolicy.Hold).Apply(norm, allowRandom: true))
        {
            using var other = Make(dimensions, affine, cumulative);
            other.eval();
            norm.train();
            Assert.All(batches, batch => Assert.True(other.forward(batch).Equals(norm.forward(batch))));
            held.Audit().ThrowIfAnythingMoved();
            Assert.Equal(0, norm.num_batches_tracked!.item<long>());
            Assert.All(norm.parameters(), parameter => Assert.True(parameter.requires_grad));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void An_InstanceNorm_with_statistics_is_held_and_moved_like_a_BatchNorm(int dimensions)
    {
        var x = randn([4, 3, .. Enumerable.Repeat(3L, dimensions)]) + tensor(4f);
        using var norm = Instance(dimensions);
        using var plain = Instance(dimensions);
        plain.eval();
        using (var held = new FreezePlan().Freeze("**").Apply(norm, allowRandom: true))
        {
            norm.train();
            Assert.True(plain.forward(x).Equals(norm.forward(x)));
            held.Audit().ThrowIfAnythingMoved();
        }

        plain.train();
        plain.forward(x);
        using (new FreezePlan().Freeze("**", NormPolicy.Move).Apply(norm, allowRandom: true))
        {
            norm.train();
            norm.forward(x);
        }

        Assert.Equal(Fingerprints.Of(plain).Find("running_mean"), Fingerprints.Of(norm).Find("running_mean"));
        Assert.Equal(Fingerprints.Of(plain).Find("running_var"), Fingerprints.Of(norm).Find("running_var"));
    }

    [Fact]
    public void GroupNorm_and_LayerNorm_have_parameters_only_and_compute_the_same_in_every_mode()
    {
        var x = randn(2, 4, 4);
        var group = nn.GroupNorm(2, 4);
        nn.init.ones_(group.weight!);
        nn.init.zeros_(group.bias!);
        foreach (var norm in new nn.Module<Tensor, Tensor>[] { group, nn.LayerNorm(4) })
        {
            using var network = nn.Sequential(("norm", norm));
            norm.eval();
            var expected = norm.forward(x);
            using var frozen = new FreezePlan().Freeze("norm").Apply(network, allowRandom: true);
            network.train();
            // Nothing in them depends on the mode, so that nothing has to be held.
            Assert.True(norm.training);
            Assert.True(expected.Equals(norm.forward(x)));
            Assert.Null(frozen.Plan.Modules.Single(module => module.Name == "norm").Norm);
            Assert.Equal(ModuleState.Frozen, frozen.Plan.Modules.Single(module => module.Name == "norm").State);
            Assert.Contains("no norm with running statistics", Assert.Throws<FreezeException>(
                () => new FreezePlan().Norm("norm", NormPolicy.Hold).Preview(network)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("BatchNorm")]
    [InlineData("Sequential")]
    public void Whatever_the_root_is_its_norm_stays_held_through_train_and_to(string root)
    {
        using var norm = nn.BatchNorm1d(3);
        using nn.Module network = root == "Sequential" ? nn.Sequential(("norm", norm)) : norm;
        using var frozen = new FreezePlan().Freeze("**").Apply(network, allowRandom: true);
        network.train();
        norm.train();
        Assert.False(norm.training);
        norm.forward(randn(4, 3));
        norm.call(randn(4, 3));
        frozen.Verify();
        frozen.Audit().ThrowIfAnythingMoved();

        network.to(float64);
        network.train();
        Assert.False(norm.training);
        norm.forward(randn([4, 3], float64));
        frozen.Verify();
        Assert.All(frozen.Audit().Moved, moved => Assert.Equal(TensorChange.Type, moved.Change));
    }

    [Fact]
    public void A_list_that_no_module_has_registered_has_nothing_to_freeze_for_TorchSharp_either()
    {
        using var norm = nn.BatchNorm1d(3);
        using var list = new ModuleList<nn.Module<Tensor, Tensor>>(norm);
        using var dictionary = new ModuleDict<nn.Module<Tensor, Tensor>>();
        dictionary.Add("norm", norm);
        foreach (var root in new nn.Module[] { list, dictionary })
        {
            // Both get their children when the module that has them as a field calls RegisterComponents.
            root.eval();
            Assert.True(norm.training);
            Assert.Empty(root.parameters());
            Assert.Contains("matches nothing", Assert.Throws<FreezeException>(
                () => new FreezePlan().Freeze("**").Apply(root, allowRandom: true)).Message, StringComparison.Ordinal);
        }
    }

    private static BatchNorm Make(int dimensions, bool affine, bool cumulative)
    {
        BatchNorm norm = dimensions switch
        {
            1 => nn.BatchNorm1d(3, affine: affine),
            2 => nn.BatchNorm2d(3, affine: affine),
            _ => nn.BatchNorm3d(3, affine: affine),
        };
        if (cumulative) norm.momentum = null;
        return norm;
    }

    private static nn.Module<Tensor, Tensor> Instance(int dimensions) => dimensions switch
    {
        1 => nn.InstanceNorm1d(3, affine: true, track_running_stats: true),
        2 => nn.InstanceNorm2d(3, affine: true, track_running_stats: true),
        _ => nn.InstanceNorm3d(3, affine: true, track_running_stats: true),
    };
}
