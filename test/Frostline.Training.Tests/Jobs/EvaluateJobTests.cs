using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class EvaluateJobTests
{
    [Fact]
    public void AModelFileGivesTheNumbersOfItsBestEpoch()
    {
        using var bench = new RecipeBench();
        var best = bench.Train().Summary.Best!;
        var result = new EvaluateJob(bench.Parse(), RecipeBench.Registry, bench.Folder().Model).Run();
        Assert.Equal(best.Metrics, result.Metrics);
        Assert.Equal(30, result.Samples);
        Assert.Empty(result.Remarks);
    }

    [Fact]
    public void ClassesAreThoseOfTheModelFileByName()
    {
        using var bench = new RecipeBench();
        var best = bench.Train().Summary.Best!;
        // The same points, but their classes numbered in another order.
        var reordered = RecipeBench.Text.Replace("count: 30, draw: 9", "count: 30, draw: 9, classes: [top, left, right]", StringComparison.Ordinal);
        var result = new EvaluateJob(bench.Parse(reordered), RecipeBench.Registry, bench.Folder().Model).Run();
        Assert.Equal(["left", "right", "top"], result.Classes);
        Assert.InRange(result.Metrics["accuracy"], best.Metrics["accuracy"] - 0.2, 1);

        var strange = RecipeBench.Text.Replace("count: 30, draw: 9", "count: 30, draw: 9, classes: [top, left, rihgt]", StringComparison.Ordinal)
            .Replace("count: 48", "count: 48, classes: [top, left, rihgt]", StringComparison.Ordinal);
        var error = Assert.ThrowsAny<FrostlineException>(() => new EvaluateJob(bench.Parse(strange), RecipeBench.Registry, bench.Folder().Model).Run());
        Assert.Contains("did you mean \"right\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AStateIsRefusedAndNamesTheModel()
    {
        using var bench = new RecipeBench();
        bench.Train("train.epochs=1");
        var error = Assert.Throws<FrostlineException>(() => new EvaluateJob(bench.Parse(), RecipeBench.Registry, bench.Folder().Last).Run());
        Assert.Contains("model.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LabelsAreRenumberedInBothForms()
    {
        var single = ClassAlignment.Of(new Points(new PointsOptions { Classes = ["b", "a"] }), new ClassMap(["a", "b", "c"]));
        Assert.Equal([1], single.LabelsOf(0));
        Assert.Equal(1L, ((long[])single.Read(0).Fields["label"].ToTensor().Values)[0]);
        var many = ClassAlignment.Of(new Points(new PointsOptions { Classes = ["b", "a"], MultiLabel = true }), new ClassMap(["a", "b", "c"], MultiLabel: true));
        Assert.Equal([0f, 1, 0], (float[])many.Read(1).Fields["label"].ToTensor().Values);
        Assert.Equal([1f, 0, 0], (float[])many.Read(2).Fields["label"].ToTensor().Values);
    }
}
