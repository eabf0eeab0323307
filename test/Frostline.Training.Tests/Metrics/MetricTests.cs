using Frostline.Testing;
using Frostline.Training.Metrics;
using TorchSharp;
using Xunit;

namespace Frostline.Training.Tests.Metrics;

[Collection(LibTorchCollection.Name)]
public sealed class MetricTests
{
    // Best classes: 1, 0, 2, 0, 1; true classes: 1, 0, 1, 2, 1.
    private static readonly float[,] Scores = { { 0, 3, 1 }, { 2, 1, 0 }, { 0, 1, 2 }, { 5, 4, 3 }, { -3, -1, -2 } };
    private static readonly long[] Labels = [1, 0, 1, 2, 1];

    [Fact]
    public void AccuracyAndTopKCountRightOnes()
    {
        Assert.Equal(0.6, Single(new TopKMetric(new TopKOptions { K = 1 }), "accuracy"), 12);
        Assert.Equal(0.8, Single(new TopKMetric(new TopKOptions { K = 2 }), "top-2"), 12);
        Assert.Equal(1.0, Single(new TopKMetric(new TopKOptions()), "top-5"), 12);
    }

    [Fact]
    public void BatchesAddUpAndResetForgets()
    {
        var metric = new TopKMetric(new TopKOptions { K = 1 });
        metric.Add(Outputs(Scores), Fields(torch.tensor(Labels)));
        metric.Add(Outputs(new float[,] { { 1, 0, 0 } }), Fields(torch.tensor(new[] { 0L })));
        Assert.Equal(4 / 6.0, metric.Result().Values[0].Value, 12);
        metric.Reset();
        Assert.True(double.IsNaN(metric.Result().Values[0].Value));
    }

    [Fact]
    public void AConstantOrUndefinedOutputIsNotRightAboutEverything()
    {
        var metric = new TopKMetric(new TopKOptions { K = 1 });
        metric.Add(Outputs(new float[,] { { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 } }), Fields(torch.tensor(new[] { 0L, 1, 2 })));
        Assert.Equal(1 / 3.0, metric.Result().Values[0].Value, 12);
        metric.Reset();
        metric.Add(Outputs(new[,] { { float.NaN, float.NaN } }), Fields(torch.tensor(new[] { 0L })));
        Assert.Equal(0, metric.Result().Values[0].Value, 12);
    }

    [Fact]
    public void ConfusionMatrixHasTrueClassesInRows()
    {
        var metric = new ConfusionMatrixMetric(new ClassMetricOptions(), ["a", "b", "c"]);
        metric.Add(Outputs(Scores), Fields(torch.tensor(Labels)));
        var table = Assert.Single(metric.Result().Tables);
        Assert.Equal(["a", "b", "c"], table.Rows);
        Assert.Equal([1, 0, 0], table.Cells[0]);
        Assert.Equal([0, 2, 1], table.Cells[1]);
        Assert.Equal([1, 0, 0], table.Cells[2]);
    }

    [Fact]
    public void PerClassNumbersEqualTheHandComputedOnes()
    {
        var metric = new PerClassMetric(new ClassMetricOptions(), ["a", "b", "c"]);
        metric.Add(Outputs(Scores), Fields(torch.tensor(Labels)));
        var result = metric.Result();
        Assert.Equal([0.5, 1, 2 / 3.0, 1], result.Tables[0].Cells[0], Close);
        Assert.Equal([1, 2 / 3.0, 0.8, 3], result.Tables[0].Cells[1], Close);
        Assert.Equal([0, 0, 0, 1], result.Tables[0].Cells[2], Close);
        Assert.Equal(((2 / 3.0) + 0.8) / 3, result.Values.Single(v => v.Name == "macro-f1").Value, 12);
        Assert.Equal(0.5, result.Values.Single(v => v.Name == "macro-precision").Value, 12);
    }

    [Fact]
    public void AveragePrecisionEqualsTheHandComputedOne()
    {
        // By falling score: right, wrong, right, wrong. AP = 1/2 * 1/1 + 1/2 * 2/3.
        var metric = new MeanAveragePrecisionMetric(new ClassMetricOptions());
        var scores = new[,] { { 0.9f, 0f }, { 0.8f, 0f }, { 0.7f, 0f }, { 0.6f, 0f } };
        metric.Add(Outputs(scores), Fields(torch.tensor(new float[,] { { 1, 0 }, { 0, 0 }, { 1, 0 }, { 0, 0 } })));
        var result = metric.Result();
        Assert.Equal(5 / 6.0, result.Values[0].Value, 12);
        Assert.True(double.IsNaN(result.Tables[0].Cells[1][0]));
    }

    [Fact]
    public void EqualScoresPassTheThresholdTogether()
    {
        var metric = new MeanAveragePrecisionMetric(new ClassMetricOptions());
        metric.Add(Outputs(new float[,] { { 1 }, { 1 }, { 1 }, { 1 } }), Fields(torch.tensor(new float[,] { { 1 }, { 0 }, { 0 }, { 0 } })));
        Assert.Equal(0.25, metric.Result().Values[0].Value, 12);
    }

    [Fact]
    public void MultiLabelNumbersEqualTheHandComputedOnes()
    {
        var metric = new MultiLabelMetric(new MultiLabelOptions());
        metric.Add(
            Outputs(new float[,] { { 1, -1 }, { 2, 1 }, { -1, -1 } }),
            Fields(torch.tensor(new float[,] { { 1, 1 }, { 0, 1 }, { 1, 0 } })));
        var result = metric.Result();
        // Class 0: right 1, predicted 2, true 2. Class 1: right 1, predicted 1, true 2. Together 2, 3, 4.
        Assert.Equal([0.5, 0.5, 0.5, 2], result.Tables[0].Cells[0], Close);
        Assert.Equal([1, 0.5, 2 / 3.0, 2], result.Tables[0].Cells[1], Close);
        Assert.Equal(4 / 7.0, result.Values.Single(v => v.Name == "micro-f1").Value, 12);
        Assert.Equal(((0.5) + (2 / 3.0)) / 2, result.Values.Single(v => v.Name == "macro-f1").Value, 12);
    }

    [Fact]
    public void NaNIsNeverBetter()
    {
        Assert.False(new MetricValue("a", double.NaN).IsBetterThan(0));
        Assert.True(new MetricValue("a", 0).IsBetterThan(double.NaN));
        Assert.True(new MetricValue("loss", 0.1, HigherIsBetter: false).IsBetterThan(0.2));
        Assert.False(new MetricValue("loss", 0.2, HigherIsBetter: false).IsBetterThan(0.2));
    }

    private static bool Close(double a, double b) => Math.Abs(a - b) < 1e-9;

    private static double Single(TopKMetric metric, string name)
    {
        metric.Add(Outputs(Scores), Fields(torch.tensor(Labels)));
        var value = Assert.Single(metric.Result().Values);
        Assert.Equal(name, value.Name);
        return value.Value;
    }

    private static Dictionary<string, torch.Tensor> Outputs(float[,] scores) => new(StringComparer.Ordinal) { ["logits"] = torch.tensor(scores) };

    private static Dictionary<string, torch.Tensor> Fields(torch.Tensor label) => new(StringComparer.Ordinal) { ["label"] = label };
}
