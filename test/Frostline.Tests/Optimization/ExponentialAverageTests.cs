using Frostline.Optimization;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;

namespace Frostline.Tests.Optimization;

[Collection(LibTorchCollection.Name)]
public sealed class ExponentialAverageTests
{
    [Fact]
    public void FollowsItsFormulaAndCopiesCounters()
    {
        using var weight = new Parameter(torch.tensor(1.0, torch.float64));
        using var counter = torch.tensor(0L);
        using var average = new ExponentialAverage([new("w", weight), new("n", counter)], decay: 0.5);
        var expected = 1.0;
        for (var step = 1; step <= 12; step++)
        {
            Set(weight, step * step);
            counter.add_(1);
            average.Update();
            var decay = Math.Min(0.5, (1.0 + step) / (10.0 + step));
            expected = (decay * expected) + ((1 - decay) * step * step);
        }

        var state = average.State().ToDictionary(t => t.Name, t => t.Tensor, StringComparer.Ordinal);
        Assert.Equal(expected, state["w"].item<double>(), 9);
        Assert.Equal(12, state["n"].item<long>());
    }

    [Fact]
    public void SwapPutsTheAverageInAndTheValuesBackBitForBit()
    {
        using var weight = new Parameter(torch.rand(5));
        using var average = new ExponentialAverage([new("w", weight)], decay: 0.9);
        using var first = weight.detach().clone();
        Set(weight, 3.25);
        using var second = weight.detach().clone();
        using (average.Swap())
        {
            Assert.True(weight.Equals(first));
            Assert.Throws<InvalidOperationException>(average.Update);
        }

        Assert.True(weight.Equals(second));
        Assert.True(weight.requires_grad);
    }

    [Fact]
    public void StateComesBackBitForBit()
    {
        using var weight = new Parameter(torch.rand(5));
        using var one = new ExponentialAverage([new("w", weight)], decay: 0.99);
        using var other = new ExponentialAverage([new("w", weight)], decay: 0.99);
        Set(weight, 2);
        one.Update();
        other.Restore(one.State().ToDictionary(t => t.Name, t => t.Tensor, StringComparer.Ordinal));
        Set(weight, 5);
        one.Update();
        other.Update();
        Assert.True(one.State()[0].Tensor.Equals(other.State()[0].Tensor));
        Assert.Throws<FrostlineException>(() => other.Restore(new Dictionary<string, torch.Tensor>(StringComparer.Ordinal)));
    }

    private static void Set(torch.Tensor tensor, double value)
    {
        using var noGrad = torch.no_grad();
        tensor.fill_(value);
    }

    [Fact]
    public void ItFollowsOtherTensorsWithoutForgettingThoseThatStay()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor stays = torch.tensor(1f), goes = torch.tensor(1f), comes = torch.tensor(5f);
        using var average = new ExponentialAverage([new NamedTensor("stays", stays), new NamedTensor("goes", goes)], 0.5);
        stays.fill_(2);
        average.Update();
        var reached = Value(average, "stays");
        average.Follow([new NamedTensor("stays", stays), new NamedTensor("comes", comes)]);
        Assert.Equal(["comes", "stays", "updates"], average.State().Select(tensor => tensor.Name).Order(StringComparer.Ordinal));
        Assert.Equal((reached, 5f), (Value(average, "stays"), Value(average, "comes")));
        using (average.Swap()) Assert.Throws<InvalidOperationException>(() => average.Follow([]));

        static float Value(ExponentialAverage average, string name) => average.State().Single(tensor => tensor.Name == name).Tensor.item<float>();
    }
}
