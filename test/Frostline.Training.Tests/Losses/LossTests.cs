using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Losses;
using Frostline.Training.Registration;
using TorchSharp;
using Xunit;

namespace Frostline.Training.Tests.Losses;

[Collection(LibTorchCollection.Name)]
public sealed class LossTests
{
    private static readonly float[,] Logits = { { 1, 2, 0.5f }, { -1, 0, 3 }, { 0.2f, 0.1f, 0 } };
    private static readonly long[] Labels = [1, 0, 2];

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.1)]
    public void CrossEntropyEqualsTheFormula(double smoothing)
    {
        var loss = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = smoothing }, Context());
        var expected = Enumerable.Range(0, 3)
            .Select(i => ((1 - smoothing) * -LogSoftmax(i)[Labels[i]]) + (smoothing * LogSoftmax(i).Average(v => -v))).Average();
        Assert.Equal(expected, Value(loss, torch.tensor(Labels)), 5);
    }

    [Fact]
    public void ClassWeightsWeighTheMean()
    {
        double[] weights = [1, 3, 0.5];
        var loss = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = new() { Values = weights } }, Context());
        var sum = Enumerable.Range(0, 3).Sum(i => weights[Labels[i]] * -LogSoftmax(i)[Labels[i]]);
        Assert.Equal(sum / 4.5, Value(loss, torch.tensor(Labels)), 5);
        Assert.Equal(4.5, loss.WeightOf(Outputs(), Fields(torch.tensor(Labels))), 6);
    }

    [Fact]
    public void BalancedWeightsMakeClassesWeighTheSame()
    {
        var context = new BuildContext { Folder = ".", Classes = new ClassMap(["a", "b", "c"]), ClassCounts = [10, 20, 70], SampleCount = 100 };
        var loss = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = new() { Mode = ClassWeightMode.Balanced } }, context);
        double[] weights = [100 / 30.0, 100 / 60.0, 100 / 210.0];
        Assert.Equal(weights.Sum(), loss.WeightOf(Outputs(), Fields(torch.tensor(Labels))), 5);
        Assert.Equal(10 * weights[0], 70 * weights[2], 9);
    }

    [Fact]
    public void MixedTargetsGiveTheMixOfLosses()
    {
        var loss = new CrossEntropyLoss(new CrossEntropyOptions(), Context());
        long[] other = [2, 2, 0];
        var soft = (ClassTargets.AsProbabilities(torch.tensor(Labels), 3) * 0.3) + (ClassTargets.AsProbabilities(torch.tensor(other), 3) * 0.7);
        var expected = (0.3 * Value(loss, torch.tensor(Labels))) + (0.7 * Value(loss, torch.tensor(other)));
        Assert.Equal(expected, Value(loss, soft), 5);
    }

    [Fact]
    public void BinaryCrossEntropyEqualsTheFormula()
    {
        var targets = torch.tensor(new float[,] { { 1, 0, 1 }, { 0, 0, 1 }, { 1, 1, 0 } });
        var loss = new BinaryCrossEntropyLoss(
            new BinaryCrossEntropyOptions { LabelSmoothing = 0.2, PositiveWeights = new() { Values = [1, 2, 3] } }, Context(multi: true));
        var expected = Enumerable.Range(0, 9).Average(i =>
        {
            double x = Logits[i / 3, i % 3], t = (targets[i / 3, i % 3].item<float>() * 0.8) + 0.1, p = 1 / (1 + Math.Exp(-x));
            return -(((1 + (i % 3)) * t * Math.Log(p)) + ((1 - t) * Math.Log(1 - p)));
        });
        Assert.Equal(expected, Value(loss, targets), 5);
    }

    [Fact]
    public void BalancedPositivesWeighNegativesOverPositives()
    {
        var context = new BuildContext { Folder = ".", Classes = new ClassMap(["a", "b"], MultiLabel: true), ClassCounts = [25, 80], SampleCount = 100 };
        var weights = new ClassWeighting { Mode = ClassWeightMode.Balanced }.OfPositives(context, "test");
        Assert.Equal([3f, 0.25f], weights!);
    }

    [Fact]
    public void AnotherNumberOfClassesIsExplained()
    {
        var loss = new CrossEntropyLoss(new CrossEntropyOptions(), new BuildContext { Folder = ".", Classes = new ClassMap(["ant", "bee"]) });
        var error = Assert.Throws<FrostlineException>(() => Value(loss, torch.tensor(Labels)));
        Assert.Contains("3 scores a sample, and the data has 2 classes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAbsentOutputNamesTheNearest()
    {
        var loss = new CrossEntropyLoss(new CrossEntropyOptions { Output = "logit" }, Context());
        var error = Assert.Throws<FrostlineException>(() => Value(loss, torch.tensor(Labels)));
        Assert.Contains("did you mean \"logits\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LossesSayWhichLabelsTheyWant()
    {
        var error = Assert.Throws<FrostlineException>(() => new CrossEntropyLoss(new CrossEntropyOptions(), Context(multi: true)));
        Assert.Contains("binary-cross-entropy", error.Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = 1 }, Context()));
        Assert.Throws<FrostlineException>(() => new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = new() { Values = [1] } }, Context()));
    }

    private static BuildContext Context(bool multi = false) => new() { Folder = ".", Classes = new ClassMap(["a", "b", "c"], multi) };

    private static Dictionary<string, torch.Tensor> Outputs() => new(StringComparer.Ordinal) { ["logits"] = torch.tensor(Logits) };

    private static Dictionary<string, torch.Tensor> Fields(torch.Tensor label) => new(StringComparer.Ordinal) { ["label"] = label };

    private static double Value(ILoss loss, torch.Tensor label) => loss.Compute(Outputs(), Fields(label)).item<float>();

    private static double[] LogSoftmax(int row)
    {
        var values = Enumerable.Range(0, 3).Select(j => (double)Logits[row, j]).ToArray();
        var sum = Math.Log(values.Sum(Math.Exp));
        return [.. values.Select(v => v - sum)];
    }
}
