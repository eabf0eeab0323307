using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Tests.Initialization;

/// <summary>Mismatches that are meant, what is reported of them, and that a mistake anywhere changes nothing.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class LoadPolicyTests
{
    private static string Message(Action action) => Assert.ThrowsAny<FrostlineException>(action).Message;

    private static LoadOptions FirstConv(string of, ChannelRule by = ChannelRule.Average) => new() { FirstConv = new FirstConvolution { Of = of, By = by } };

    private static string Fails(long[] old, long[] now, LoadOptions options)
    {
        using var network = new TableNetwork(torch.float64, ("table", now));
        using var file = TableNetwork.File(("table", old));
        var before = Networks.Values(network);
        var message = Message(() => new InitializationPlan().Load("**", file, options: options).Apply(network, 1));
        Networks.AssertEqual(before, Networks.Values(network));
        return message;
    }

    [Fact]
    public void An_adapted_tensor_is_rounded_once_and_everything_says_what_was_done()
    {
        using var network = new TableNetwork(torch.float32, ("stem", [4, 1, 3, 2]), ("other", [5]), ("grid", [1, 10, 2]));
        using var file = TableNetwork.File(("module.stem", [4, 3, 3, 2]), ("module.grid", [1, 17, 2]), ("module.gone", [2]), ("module.other", [5]));
        var options = new LoadOptions { FirstConv = new FirstConvolution { Of = "stem" }, Interpolate = new PositionTables { Of = "grid" } };
        var report = new InitializationPlan().Load("**", file, KeyMap.Identity.StripPrefix("module."), options).Apply(network, 1);

        var rgb = TableNetwork.Numbers(72, 0);
        var expected = Enumerable.Range(0, 24).Select(i => (float)(rgb[(i / 6 * 18) + (i % 6)] + rgb[(i / 6 * 18) + (i % 6) + 6] + rgb[(i / 6 * 18) + (i % 6) + 12]));
        Assert.Equal(expected, MemoryMarshal.Cast<byte, float>(Networks.Values(network)["stem"]).ToArray());

        var origin = Assert.IsType<Origin.Loaded>(report.Find("stem")!.Origin);
        Assert.Equal("first-conv, average of 3 channels to 1", origin.Adapted);
        Assert.Equal("loaded from tables.safetensors, module.stem, cast from Float64, adapted: first-conv, average of 3 channels to 1", origin.Describe());
        Assert.Equal("interpolate, 4 x 4 to 3 x 3, 1 class token kept", Assert.IsType<Origin.Loaded>(report.Find("grid")!.Origin).Adapted);
        Assert.Null(Assert.IsType<Origin.Loaded>(report.Find("other")!.Origin).Adapted);

        var load = report.Loads[0];
        Assert.Equal("tables.safetensors: 3 of 3 tensors loaded, 3 renamed, 3 cast, 2 adapted, 1 unexpected, 2 of another shape", load.ToString());
        Assert.Equal(
            """
            tables.safetensors: 3 of 3 tensors loaded, 3 renamed, 3 cast, 2 adapted, 1 unexpected, 2 of another shape
              outcome                key          name  in the file           in the network        detail
              loaded, cast, renamed  module.stem  stem  Float64 [4, 3, 3, 2]  Float32 [4, 1, 3, 2]  first-conv, average of 3 channels to 1
              loaded, cast, renamed  module.grid  grid  Float64 [1, 17, 2]    Float32 [1, 10, 2]    interpolate, 4 x 4 to 3 x 3, 1 class token kept
              unexpected             module.gone  gone  Float64 [2]           -

            """,
            load.Describe());
        Assert.Contains("\n  loaded, cast, renamed  module.other  other  Float64 [5]", load.Describe(all: true), StringComparison.Ordinal);
        Assert.Equal(["module.stem -> stem", "module.other -> other", "module.grid -> grid"], load.Renamed.Select(t => $"{t.Key} -> {t.Name}"));
        Assert.Equal(["stem", "grid"], load.Mismatched.Select(t => t.Name!));
        using var json = System.Text.Json.JsonDocument.Parse(load.ToJson());
        var first = json.RootElement.GetProperty("tensors")[0];
        Assert.Equal(("loaded", "float64", 3), (
            first.GetProperty("outcome").GetString(), first.GetProperty("fileType").GetString(), first.GetProperty("fileShape")[1].GetInt32()));

        var back = InitializationReport.FromJson(report.ToJson());
        Assert.Equal(report.ToJson(), back.ToJson());
        Assert.Equal(load.Describe(all: true), back.Loads[0].Describe(all: true));
    }

    [Fact]
    public void A_preview_says_the_same_and_changes_nothing()
    {
        using var network = new TableNetwork(torch.float64, ("stem", [4, 6, 3, 2]));
        using var file = TableNetwork.File(("stem", [4, 3, 3, 2]));
        var plan = new InitializationPlan().Load("**", file, options: FirstConv("stem", ChannelRule.Repeat));
        var preview = plan.Preview(network, 1);
        Assert.All(network.Values("stem"), value => Assert.Equal(0, value));
        Assert.Equal(preview.Loads[0].Describe(), plan.Apply(network, 1).Loads[0].Describe());
        Assert.Equal("first-conv, repeat of 3 channels to 6", Assert.Single(preview.Loads[0].Adapted).Detail);
    }

    [Fact]
    public void Where_shapes_agree_the_tensor_is_loaded_and_a_remark_says_so()
    {
        using var network = new TableNetwork(torch.float64, ("stem", [4, 3, 3, 2]), ("grid", [1, 16, 2]), ("fc", [3]));
        using var file = TableNetwork.File(("stem", [4, 3, 3, 2]), ("grid", [1, 16, 2]), ("fc", [3]));
        var options = new LoadOptions
        {
            FirstConv = new FirstConvolution { Of = "stem" },
            Interpolate = new PositionTables { Of = "grid" },
            Head = "fc",
        };
        var report = new InitializationPlan().Load("**", file, options: options).Apply(network, 1);
        Assert.Equal(TableNetwork.Numbers(72, 0), network.Values("stem"));
        Assert.Equal(
            ["head \"fc\": the shapes agree, loaded as it is", "first-conv \"stem\": the shapes agree, loaded as it is",
                "interpolate \"grid\": the shapes agree, loaded as it is"],
            report.Loads[0].Remarks);
        Assert.Empty(report.Loads[0].Adapted);

        // As many positions, and still another grid.
        var turned = new LoadOptions { Interpolate = new PositionTables { Of = "grid", From = [2, 8], To = [8, 2] } };
        report = new InitializationPlan().Load("grid", file, options: turned).Apply(network, 1);
        Assert.Equal("interpolate, 2 x 8 to 8 x 2", Assert.Single(report.Loads[0].Adapted).Detail);
        Assert.Equal("decided by a later rule: set \"grid\" to 0", new InitializationPlan().Load("grid", file, options: turned).Set("grid", 0)
            .Apply(network, 1).Skipped.Single(t => t.Name == "grid").Detail);
    }

    [Fact]
    public void A_policy_that_applies_to_nothing_is_an_error_and_so_are_two_for_one_tensor()
    {
        long[] same = [4, 3, 3, 2];
        Assert.Contains("matches nothing", Fails(same, same, FirstConv("stem")), StringComparison.Ordinal);
        using var network = new TableNetwork(torch.float64, ("a", same), ("b", same));
        using var file = TableNetwork.File(("a", same), ("b", same));
        foreach (var options in new[]
        {
            FirstConv("b"), new LoadOptions { Head = "b" }, new LoadOptions { Skip = "b" }, new LoadOptions { Interpolate = new() { Of = "b" } },
        })
        {
            Assert.Contains(
                "\"b\" selects nothing of what the rule loads into",
                Message(() => new InitializationPlan().Load("a", file, options: options).Apply(network, 1)),
                StringComparison.Ordinal);
        }

        var two = new LoadOptions { Head = "*", FirstConv = new() { Of = "b" } };
        Assert.Contains(
            "b is in head \"*\" and in first-conv \"b\"; give it one policy",
            Message(() => new InitializationPlan().Load("**", file, options: two).Apply(network, 1)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_policy_does_not_suit_is_refused_with_both_shapes()
    {
        Assert.Contains("table may differ in its input channels only: [4, 3, 3, 2] in the file", Fails([4, 3, 3, 2], [5, 1, 3, 2], FirstConv("table")), StringComparison.Ordinal);
        Assert.Contains("first-conv \"table\": table is no weight of a convolution", Fails([4, 3], [4, 1], FirstConv("table")), StringComparison.Ordinal);
        string Table(long[] old, long[] now, PositionTables policy) => Fails(old, now, new LoadOptions { Interpolate = policy });
        var plain = new PositionTables { Of = "table" };
        Assert.Contains("has 12 positions in the file, which are no square; give the grids", Table([1, 12, 2], [1, 9, 2], plain), StringComparison.Ordinal);
        Assert.Contains("1 class tokens in the file and 0 in the network", Table([1, 17, 2], [1, 9, 2], plain), StringComparison.Ordinal);
        Assert.Contains("vectors of other widths, [1, 16, 2] in the file", Table([1, 16, 2], [1, 9, 3], plain), StringComparison.Ordinal);
        Assert.Contains("16 positions in the network, which 3 x 3 do not fit", Table([1, 25, 2], [1, 16, 2], plain with { To = [3, 3] }), StringComparison.Ordinal);
        Assert.Contains("is 3 x 3 in the network, not 4 x 4", Table([1, 2, 2, 2], [1, 2, 3, 3], plain with { To = [4, 4] }), StringComparison.Ordinal);
        Assert.Contains("has 2 tables in the file", Table([2, 16, 2], [1, 9, 2], plain), StringComparison.Ordinal);
        Assert.Contains("has no positions", Table([1, 0, 2], [1, 9, 2], plain), StringComparison.Ordinal);
        Assert.Contains("[1, 2, 3] is no grid", Table([1, 16, 2], [1, 9, 2], plain with { From = [1, 2, 3] }), StringComparison.Ordinal);
        Assert.Contains("-1 class tokens are impossible", Table([1, 16, 2], [1, 9, 2], plain with { ClassTokens = -1 }), StringComparison.Ordinal);
    }

    [Fact]
    public void A_skipped_tensor_of_another_shape_shows_both_shapes()
    {
        using var network = new TableNetwork(torch.float64, ("a", [2]), ("fc", [3, 2]));
        using var file = TableNetwork.File(("a", [2]), ("fc", [10, 2]));
        var report = new InitializationPlan().Load("**", file, options: new LoadOptions { Skip = "fc" }).Apply(network, 1);
        Assert.Equal("fc: skipped as \"fc\", [10, 2] in the file and [3, 2] in the network", Assert.Single(report.Skipped).ToString());
        Assert.Equal("fc", Assert.Single(report.Loads[0].Mismatched).Key);
    }

    [Theory]
    [InlineData("missing", "missing: last")]
    [InlineData("shape", "last is [6] in the network and [1, 6] in the file")]
    [InlineData("type", "last is Float64 in the network and Int64 in the file, which is not cast")]
    [InlineData("damage", "CRC")]
    public void A_mistake_at_the_very_end_of_a_second_file_leaves_every_bit_as_it_was(string mistake, string expected)
    {
        using var network = new TableNetwork(torch.float64, ("stem", [4, 4, 3, 2]), ("grid", [1, 25, 2]), ("fc", [3]), ("middle", [7]), ("last", [6]));
        new InitializationPlan().Draw("**", new Uniform()).Apply(network, 5);
        var before = Networks.Values(network);
        using var first = TableNetwork.File(("stem", [4, 3, 3, 2]), ("grid", [1, 16, 2]), ("fc", [9]));
        using var second = Checkpoint.Open(Second(mistake), "second.pth");
        var options = new LoadOptions { FirstConv = new() { Of = "stem" }, Interpolate = new() { Of = "grid" }, Head = "fc" };
        var plan = new InitializationPlan().Draw("fc", new Uniform()).Load("stem | grid | fc", first, options: options).Load("middle | last", second);
        Assert.Contains(expected, Message(() => plan.Apply(network, 1)), StringComparison.Ordinal);
        Networks.AssertEqual(before, Networks.Values(network));

        using var whole = Checkpoint.Open(Second(""), "second.pth");
        new InitializationPlan().Draw("fc", new Uniform()).Load("stem | grid | fc", first, options: options).Load("middle | last", whole).Apply(network, 1);
        Assert.All(before, pair => Assert.NotEqual(pair.Value, Networks.Values(network)[pair.Key]));
    }

    private static byte[] Second(string mistake)
    {
        var numbers = MemoryMarshal.AsBytes<double>(TableNetwork.Numbers(13, 3)).ToArray();
        var last = new TensorInfo(
            mistake == "missing" ? "lost" : "last",
            mistake == "type" ? TensorType.Int64 : TensorType.Float64,
            mistake == "shape" ? [1, 6] : [6]);
        using var stream = new MemoryStream();
        PyTorchWriter.Write(stream, [
            TensorSource.From(new TensorInfo("middle", TensorType.Float64, [7]), numbers.AsSpan(0, 56).ToArray()), TensorSource.From(last, numbers.AsSpan(56).ToArray()),
        ]);
        var bytes = stream.ToArray();
        if (mistake == "damage") bytes[bytes.AsSpan().LastIndexOf(numbers.AsSpan(56)) + 47] ^= 1;
        return bytes;
    }
}
