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
        [
            new LoadReport(
                "a rule", "a.pth", "abc",
                [
                    new TensorLoad(
                        LoadOutcome.Loaded, "module.conv.weight", "conv.weight", TensorType.Float16, [2, 3], TensorType.Float32, [2, 3]),
                    new TensorLoad(LoadOutcome.Missing, Name: "gone"),
                    new TensorLoad(LoadOutcome.Unexpected, "extra"),
                    new TensorLoad(LoadOutcome.Skipped, "k", "n", Detail: "r"),
                ],
                ["a remark"],
                parent),
        ]);

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

    [Fact]
    public void A_report_from_before_loads_listed_their_tensors_is_read_through_generations()
    {
        const string Load =
            """
            {"rule":"r","file":"a.pth","hash":"abc","loaded":2,"selected":3,"coverage":0.67,"missing":["fc"],"unexpected":["extra"],
            "skipped":[{"key":"k","name":"fc","reason":"why"}],"remarks":["one"]
            """;
        const string Tensors =
            """
            "tensors":[{"name":"conv","kind":"parameter","type":"float32","shape":[2],"rule":"r",
            "origin":{"kind":"loaded","file":"a.pth","key":"m.conv","hash":"abc","castFrom":"float16"},"trained":false,"persistent":true},
            {"name":"mean","kind":"buffer","type":"float32","shape":[4],"rule":"calibrate-norm",
            "origin":{"kind":"calibrated","batches":1,"before":{"kind":"loaded","file":"a.pth","key":"mean","hash":"abc"}},"trained":false,"persistent":true},
            {"name":"fc","kind":"parameter","type":"float32","shape":[3],"rule":"none","origin":{"kind":"kept"},"trained":false,"persistent":true}]
            """;
        var parent = $"{{\"seed\":1,{Tensors},\"loads\":[{Load}}}]}}";
        var report = InitializationReport.FromJson($"{{\"seed\":2,{Tensors},\"loads\":[{Load},\"parent\":{parent}}}]}}");
        foreach (var load in new[] { report.Loads[0], report.Loads[0].Parent!.Loads[0] })
        {
            Assert.Equal("a.pth: 2 of 3 tensors loaded, 1 renamed, 1 cast, 1 missing, 1 unexpected, 1 skipped", load.ToString());
            Assert.Equal((TensorType.Float16, 2), (load.Loaded[0].FileType, load.Loaded[0].FileShape![0]));
            Assert.Equal(("fc", 3), (load.Missing[0].Name, load.Missing[0].NetworkShape![0]));
            Assert.Equal(("k", "why"), (load.Skipped[0].Key, load.Skipped[0].Detail));
            Assert.Equal(["one"], load.Remarks);
        }

        Assert.Equal(report.ToJson(), InitializationReport.FromJson(report.ToJson()).ToJson());
    }

    [Theory]
    [InlineData("{\"seed\":1,\"tensors\":[],\"loads\":[{\"loaded\":1,\"missing\":[3]}]}")]
    [InlineData("{\"seed\":1,\"tensors\":[],\"loads\":[7]}")]
    [InlineData("{\"seed\":1,\"seed\":1,\"tensors\":[],\"tensors\":[],\"loads\":[]}")]
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
            "a.pth: 1 of 2 tensors loaded, 1 renamed, 1 cast, 1 missing, 1 unexpected, 1 skipped", "missing     -      gone", "unexpected  extra",
            "skipped     k      n     -            -               r", "remark: a remark", "content: abc"])
            Assert.Contains(expected, text, StringComparison.Ordinal);
    }
}
