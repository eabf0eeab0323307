using Frostline.Testing;
using Frostline.Training.Jobs;
using TorchSharp;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class MixupTests
{
    [Fact]
    public void InputsAndLabelsAreMixedByOneShare()
    {
        var mixup = new Mixup(0.4, seed: 7);
        var (lambda, permutation) = mixup.Draw(new CounterRandom(7, "mixup:2:5"), 6);
        using var scope = torch.NewDisposeScope();
        var images = torch.arange(12, torch.float32).reshape(6, 2);
        var labels = torch.tensor(new[] { 0L, 1, 2, 0, 1, 2 });
        var fields = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal) { ["image"] = images, ["label"] = labels };
        mixup.Apply(fields, ["image"], classes: 3, epoch: 2, batch: 5);
        for (var i = 0; i < 6; i++)
        {
            var other = (int)permutation[i];
            Assert.Equal((lambda * 2 * i) + ((1 - lambda) * 2 * other), fields["image"][i, 0].item<float>(), 4);
            for (var k = 0; k < 3; k++)
                Assert.Equal((i % 3 == k ? lambda : 0) + (other % 3 == k ? 1 - lambda : 0), fields["label"][i, k].item<float>(), 5);
        }
    }

    [Fact]
    public void FeaturesOfSeveralRowsASampleAreMixedWithTheirLabels()
    {
        var mixup = new Mixup(0.4, seed: 7);
        var (lambda, permutation) = mixup.Draw(new CounterRandom(7, "feature-mixup:2:5"), 3);
        using var scope = torch.NewDisposeScope();
        var features = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal) { ["pool"] = torch.arange(12, torch.float32).reshape(6, 2) };
        var fields = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal) { ["label"] = torch.tensor(new[] { 0L, 1, 2 }) };
        mixup.ApplyToFeatures(features, fields, classes: 3, epoch: 2, batch: 5);
        for (var row = 0; row < 6; row++)
        {
            var other = (2 * (int)permutation[row / 2]) + (row % 2);
            Assert.Equal((lambda * 2 * row) + ((1 - lambda) * 2 * other), features["pool"][row, 0].item<float>(), 4);
        }

        for (var i = 0; i < 3; i++)
            Assert.Equal((permutation[i] == i ? 1 - lambda : 0) + lambda, fields["label"][i, i].item<float>(), 5);
    }

    [Theory]
    [InlineData(0.2)]
    [InlineData(1.0)]
    [InlineData(4.0)]
    public void TheShareFollowsTheBetaDistribution(double alpha)
    {
        var mixup = new Mixup(alpha, seed: 1);
        var draws = Enumerable.Range(0, 20_000).Select(i => mixup.Draw(new CounterRandom(1, $"{i}"), 1).Lambda).ToList();
        var mean = draws.Average();
        // Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
        Assert.Equal(0.5, mean, 0.01);
        Assert.Equal(1 / (4 * ((2 * alpha) + 1)), draws.Average(d => (d - mean) * (d - mean)), 0.005);
        Assert.All(draws, d => Assert.InRange(d, 0, 1));
    }
}
