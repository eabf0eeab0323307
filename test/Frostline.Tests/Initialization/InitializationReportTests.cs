using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Selection;
using Xunit;

namespace Frostline.Tests.Initialization;

public sealed class InitializationReportTests
{
    private static TensorProvenance Tensor(string name, Origin origin, bool trained = false) =>
        new(name, NodeKind.Parameter, TensorType.Float32, [2, 3], "a rule", origin, trained);

    private static InitializationReport Report(InitializationReport? parent = null) => new(
        7,
        [
            Tensor("conv.weight", new Origin.Loaded("a.pth", "module.conv.weight", "abc", TensorType.Float16)),
            Tensor("fc.weight", new Origin.Drawn("normal(mean: 0, deviation: 1)", 7, new TensorStatistics(0.1, 1.0 / 3, -2, 2))),
            Tensor("fc.bias", new Origin.Set(0, "because")),
            Tensor("fc.twin", new Origin.Copied("fc.weight")),
            Tensor("bn.running_mean", new Origin.Calibrated(3, new Origin.Kept())),
            Tensor("empty", new Origin.Drawn("zeros", 7, new TensorStatistics(double.NaN, double.NaN, double.NaN, double.NaN))),
            Tensor("other", new Origin.Kept()),
        ],
        [new LoadReport("load", "a.pth", "abc", 1, 2, ["gone"], ["extra"], [new SkippedTensor("k", "n", "r")], ["a remark"],
            parent)]);

    [Fact]
    public void Lists_are_split_by_origin()
    {
        var report = Report();
        Assert.Equal("conv.weight", Assert.Single(report.Loaded).Name);
        Assert.Equal("conv.weight", Assert.Single(report.Cast).Name);
        Assert.Equal(2, report.Drawn.Count);
        Assert.Equal("fc.bias", Assert.Single(report.Set).Name);
        Assert.Equal("fc.twin", Assert.Single(report.Copied).Name);
        Assert.Equal("bn.running_mean", Assert.Single(report.Calibrated).Name);
        Assert.Equal("other", Assert.Single(report.Kept).Name);
        Assert.Equal(["gone"], report.Missing);
        Assert.Equal(["extra"], report.Unexpected);
        Assert.Equal("k", Assert.Single(report.Skipped).Key);
        Assert.Equal(0.5, report.Loads[0].Coverage);
        Assert.Null(report.Find("absent"));
    }

    [Fact]
    public void Json_round_trip_is_exact_through_generations()
    {
        var report = Report(Report(Report()));
        var json = report.ToJson();
        var back = InitializationReport.FromJson(json);
        Assert.Equal(json, back.ToJson());
        Assert.Equal(report.Find("fc.weight")!.Origin, back.Find("fc.weight")!.Origin);
        Assert.Equal(report.Find("bn.running_mean")!.Origin, back.Find("bn.running_mean")!.Origin);
        Assert.NotNull(back.Loads[0].Parent!.Loads[0].Parent);
        Assert.DoesNotContain('\n', json);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"seed\":1,\"loads\":[]}")]
    [InlineData("{\"seed\":1,\"tensors\":[{\"name\":\"a\"}],\"loads\":[]}")]
    public void Foreign_json_is_refused_in_one_line(string json)
    {
        var error = Assert.Throws<InitializationException>(() => InitializationReport.FromJson(json));
        Assert.StartsWith("the provenance", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Doubt_follows_copies_and_generations()
    {
        var report = Report();
        Assert.Null(report.DoubtOf("conv.weight"));
        Assert.Equal("drawn by normal(mean: 0, deviation: 1)", report.DoubtOf("fc.weight"));
        Assert.Equal("copied from fc.weight, which was drawn by normal(mean: 0, deviation: 1)", report.DoubtOf("fc.twin"));
        Assert.Equal("kept as constructed", report.DoubtOf("other"));
        Assert.Equal("of unknown origin", report.DoubtOf("absent"));
        Assert.Null(report.WithTrained(["fc.weight"]).DoubtOf("fc.twin"));

        var parent = new InitializationReport(1, [Tensor("module.conv.weight", new Origin.Kept())], []);
        Assert.Equal("loaded from a.pth, where it was kept as constructed", Report(parent).DoubtOf("conv.weight"));
        Assert.Null(Report(parent.WithTrained(["module.conv.weight"])).DoubtOf("conv.weight"));
    }

    [Fact]
    public void Table_names_everything()
    {
        var text = Report().Describe();
        foreach (var expected in (string[])["conv.weight", "loaded from a.pth, module.conv.weight, cast from Float16",
            "set to 0 (because)",
            "missing     gone", "unexpected  extra", "skipped     k: r", "remark      a remark",
                "a.pth: 1 of 2 loaded, content abc"])
            Assert.Contains(expected, text, StringComparison.Ordinal);
    }
}
