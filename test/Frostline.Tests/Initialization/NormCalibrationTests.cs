using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Testing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class NormCalibrationTests
{
    private static SmallNetwork Network()
    {
        var network = new SmallNetwork();
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, 7);
        network.train();
        return network;
    }

    private static List<Tensor> Batches(int count)
    {
        manual_seed(1);
        return [.. Enumerable.Range(0, count).Select(i => randn(6, 3, 8, 8) + i)];
    }

    [Fact]
    public void Statistics_are_the_average_over_the_batches()
    {
        using var scope = NewDisposeScope();
        using var network = Network();
        network.Norm.running_mean!.fill_(99);
        network.Norm.momentum = 0.3;
        network.Head.eval();
        var before = Networks.Values(network);
        var batches = Batches(5);

        var calibrated = NormCalibration.Run(network, "**", batches, batch => network.call(batch));

        var weight = ModuleValues(network, "conv.weight");
        var seen = batches.Select(batch => nn.functional.conv2d(batch, weight).transpose(0, 1).flatten(1).to(float64)).ToList();
        var mean = stack(seen.Select(x => x.mean([1L]))).mean([0L]);
        var variance = stack(seen.Select(x => x.var(1L, unbiased: true))).mean([0L]);
        Assert.True(allclose(network.Norm.running_mean!.to(float64), mean, 1e-5, 1e-6));
        Assert.True(allclose(network.Norm.running_var!.to(float64), variance, 1e-5, 1e-6));
        Assert.Equal(5, network.Norm.num_batches_tracked!.item<long>());
        Networks.AssertEqual(before, Networks.Values(network), "bn.running_mean", "bn.running_var", "bn.num_batches_tracked");
        Assert.Equal(0.3, network.Norm.momentum);
        Assert.True(network.training && network.Norm.training);
        Assert.False(network.Head.training);
        Assert.Equal(["bn"], calibrated.Norms);
        Assert.Equal(["bn.running_mean", "bn.running_var", "bn.num_batches_tracked"], calibrated.Tensors);
        Assert.Equal(5, calibrated.Batches);
        Assert.Null(network.Head.weight!.grad);
    }

    [Fact]
    public void The_report_says_so()
    {
        using var network = new SmallNetwork();
        var report = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, 7);
        Assert.Equal("drawn by zeros", report.DoubtOf("bn.running_mean"));
        var after = report.WithCalibrated(
            NormCalibration.Run(network, "type:BatchNorm2d", Batches(2), batch => network.call(batch)));
        var origin = Assert.IsType<Origin.Calibrated>(after.Find("bn.running_mean")!.Origin);
        Assert.Equal(2, origin.Batches);
        Assert.IsType<Origin.Drawn>(origin.Before);
        Assert.Equal("calibrate-norm \"type:BatchNorm2d\"", after.Find("bn.running_var")!.Rule);
        Assert.Equal(3, after.Calibrated.Count);
        Assert.Null(after.DoubtOf("bn.running_mean"));
        Assert.Equal(report.Find("bn.weight"), after.Find("bn.weight"));
    }

    [Fact]
    public void An_error_puts_everything_back()
    {
        using var network = Network();
        network.Norm.running_var!.fill_(3);
        var before = Networks.Values(network);
        var calls = 0;
        Assert.Throws<InvalidOperationException>(() => NormCalibration.Run(network, "bn", Batches(3), batch =>
        {
            network.call(batch);
            if (++calls == 2) throw new InvalidOperationException();
        }));
        Networks.AssertEqual(before, Networks.Values(network));
        Assert.Equal(0.1, network.Norm.momentum);
        Assert.True(network.Norm.training);
        Assert.Contains(
            "no batch",
            Assert.Throws<InitializationException>(() => NormCalibration.Run(network, "bn", Array.Empty<Tensor>(), _ => { }))
                .Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "no norm",
            Assert.Throws<InitializationException>(() => NormCalibration.Run(network, "fc", Batches(1), _ => { })).Message,
            StringComparison.Ordinal);
        Networks.AssertEqual(before, Networks.Values(network));
    }

    [Fact]
    public void Held_norms_are_not_calibrated()
    {
        using var network = Network();
        using var frozen = new FreezePlan().Freeze("bn").Apply(network, allowRandom: true);
        var before = Networks.Values(network);
        var error = Assert.Throws<InitializationException>(
            () => NormCalibration.Run(network, "**", Batches(1), batch => network.call(batch)));
        Assert.Equal("the statistics of bn are held by a freeze plan; calibrate norms before freezing", error.Message);
        Networks.AssertEqual(before, Networks.Values(network));
        frozen.Audit().ThrowIfAnythingMoved();
    }

    private static Tensor ModuleValues(nn.Module network, string name) =>
        Frostline.Modules.ModuleTree.Of(network).Find(name)!.Tensor.detach();
}
