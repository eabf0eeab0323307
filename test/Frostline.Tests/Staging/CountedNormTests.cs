using Frostline.Staging;
using Frostline.Testing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging;

[Collection(LibTorchCollection.Name)]
public sealed class CountedNormTests
{
    [Theory]
    [InlineData(0.1, true)]
    [InlineData(null, true)]
    [InlineData(0.1, false)]
    public void A_norm_moves_as_when_it_is_called_itself(double? momentum, bool tracks)
    {
        using var scope = NewDisposeScope();
        var (plain, counted) = (Norm(momentum, tracks), Norm(momentum, tracks));
        for (var batch = 0; batch < 4; batch++)
        {
            var input = randn(5, 3);
            plain.train(batch != 2);
            counted.train(batch != 2);
            Assert.True(plain.call(input).Equals(Run(counted, input)));
            Assert.Equal(momentum, counted.momentum);
            foreach (var (name, buffer) in plain.named_buffers())
                Assert.True(buffer.Equals(counted.get_buffer(name)!), $"{name} after batch {batch}");
        }

        if (tracks) Assert.Equal(3, counted.num_batches_tracked!.item<long>());
    }

    [Fact]
    public void The_norm_itself_does_not_count_and_its_hooks_fire()
    {
        using var scope = NewDisposeScope();
        var norm = Norm(0.1, tracks: true);
        var seen = new List<bool>();
        norm.register_forward_pre_hook((module, input) =>
        {
            seen.Add(((BatchNorm)module).num_batches_tracked is null);
            return input;
        });
        _ = Run(nn.Sequential(nn.Linear(3, 3), nn.Sequential(norm)), randn(5, 3));
        Assert.Equal([true], seen);
        Assert.Equal(1, norm.num_batches_tracked!.item<long>());
    }

    [Fact]
    public void A_norm_that_fails_keeps_its_counter()
    {
        using var scope = NewDisposeScope();
        var norm = Norm(null, tracks: true);
        Assert.ThrowsAny<Exception>(() => Run(norm, randn(5, 4)));
        Assert.NotNull(norm.num_batches_tracked);
        Assert.Null(norm.momentum);
        Assert.Contains("num_batches_tracked", norm.named_buffers().Select(b => b.name));
    }

    private static BatchNorm1d Norm(double? momentum, bool tracks)
    {
        var norm = nn.BatchNorm1d(3, track_running_stats: tracks);
        norm.momentum = momentum;
        return norm;
    }

    private static Tensor Run(nn.Module<Tensor, Tensor> module, Tensor input) =>
        EagerOperations.Run(input, (operations, x) => operations.Call(module, x));
}
