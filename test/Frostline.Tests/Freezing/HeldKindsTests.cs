using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Testing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary>Every kind of norm and of dropout that TorchSharp has.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class HeldKindsTests
{
    public HeldKindsTests() => random.manual_seed(1);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_kind_of_norm_is_held(int dimensions)
    {
        long[] shape = [4, 3, .. Enumerable.Repeat(2L, dimensions)];
        nn.Module<Tensor, Tensor>[] norms = dimensions switch
        {
            1 => [nn.BatchNorm1d(3), nn.BatchNorm1d(3, affine: false), nn.InstanceNorm1d(3, track_running_stats: true)],
            2 => [nn.BatchNorm2d(3), nn.BatchNorm2d(3, affine: false), nn.InstanceNorm2d(3, track_running_stats: true), Cumulative(nn.BatchNorm2d(3))],
            _ => [nn.BatchNorm3d(3), nn.BatchNorm3d(3, affine: false), nn.InstanceNorm3d(3, track_running_stats: true)],
        };
        using var x = randn(shape) + 2;
        foreach (var norm in norms)
        {
            using (var moving = new FreezePlan().Apply(norm, allowRandom: true))
            {
                norm.train();
                norm.forward(x).Dispose();
                Assert.NotEmpty(new FreezePlan().Preview(norm).Tensors);
                Assert.False(moving.Ledger.Fingerprints.Find("running_mean") == Fingerprints.Of(norm).Find("running_mean"));
            }

            using (var frozen = new FreezePlan().Freeze("**").Apply(norm, allowRandom: true))
            {
                norm.train();
                norm.forward(x).Dispose();
                norm.call(x).Dispose();
                frozen.Audit().ThrowIfAnythingMoved();
            }

            norm.Dispose();
        }

        static BatchNorm2d Cumulative(BatchNorm2d norm)
        {
            norm.momentum = null;
            return norm;
        }
    }

    [Fact]
    public void Every_dropout_is_off_in_a_frozen_part_and_on_elsewhere()
    {
        nn.Module<Tensor, Tensor>[] dropouts = [nn.Dropout(), nn.Dropout2d(), nn.Dropout3d(), nn.AlphaDropout(), nn.FeatureAlphaDropout(), nn.RReLU()];
        using var x = ones([4, 8, 3, 3, 3]).neg();
        foreach (var dropout in dropouts)
        {
            using var network = nn.Sequential(("on", nn.Dropout()), ("off", dropout));
            using (new FreezePlan().Dropout("off", active: false).Apply(network, allowRandom: true))
            {
                network.train();
                using var y = dropout.forward(x);
                using var z = dropout.forward(x);
                Assert.True(y.Equals(z));
                Assert.True(network.children().First().training);
            }

            Assert.True(dropout.training);
            Assert.DoesNotContain(FreezeGuard.ReservedName, ModuleComponents.Children(dropout).Keys);
        }
    }
}
