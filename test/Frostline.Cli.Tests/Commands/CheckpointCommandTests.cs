using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

/// <summary><c>convert</c>, <c>diff</c>, <c>hash</c>, and what <c>inspect</c> shows of values.</summary>
public sealed class CheckpointCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Converting_there_and_back_keeps_the_hash()
    {
        var first = Write("a.safetensors", Floats("w", 1, 2.5f, float.NaN), Counter(3));
        var run = CommandRun.Of("convert", first, _folder.PathOf("b.pth"));
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Equal($"{_folder.PathOf("b.pth")}: PyTorchZip, 2 tensors, 20 B\n", run.Output);
        Assert.Equal(ExitCodes.Success, CommandRun.Of("convert", _folder.PathOf("b.pth"), _folder.PathOf("c.safetensors"), "--key", "").ExitCode);
        Assert.Equal(File.ReadAllBytes(first), File.ReadAllBytes(_folder.PathOf("c.safetensors")));
        var hash = CommandRun.Of("hash", first).Output.Split("  ");
        Assert.Matches(@"\A[0-9a-f]{32}\z", hash[0]);
        Assert.Equal(first + "\n", hash[1]);
        Assert.Equal(hash[0], CommandRun.Of("hash", _folder.PathOf("b.pth"), "--json").Json().GetProperty("hash").GetString());
    }

    [Fact]
    public void Casting_rounds_to_the_nearest_even_and_says_what_it_cost()
    {
        // 1 + 2^-11 lies between two binary16 numbers and becomes the even one; 70,000 is beyond them.
        var source = Write("a.safetensors", Floats("w", 1, 1 + (1f / 2048), 1 + (3f / 2048), 70_000), Counter(3));
        var run = CommandRun.Of("convert", source, _folder.PathOf("half.pt"), "--dtype", "f16");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("cast: 1 tensors, 2 values rounded, 1 became infinite\n  w: 1 values became infinite\n", run.Output, StringComparison.Ordinal);
        using (var half = Checkpoint.Open(_folder.PathOf("half.pt")))
        {
            Assert.Equal(
                [(Half)1, (Half)1, (Half)(1 + (2f / 1024)), Half.PositiveInfinity],
                MemoryMarshal.Cast<byte, Half>(half.Read("w")).ToArray());
            Assert.Equal(TensorType.Int64, half.Find("counter").Type);
        }

        var json = CommandRun.Of("convert", source, _folder.PathOf("brain.safetensors"), "--dtype", "bf16", "--json").Json();
        Assert.Equal("float32", json.GetProperty("tensors")[0].GetProperty("from").GetString());
        Assert.Equal("bfloat16", json.GetProperty("tensors")[0].GetProperty("type").GetString());
        Assert.Equal(3, json.GetProperty("tensors")[0].GetProperty("rounded").GetInt64());
    }

    public static TheoryData<string> Samples { get; } = [.. CheckpointSamples.All.Select(sample => sample.Name)];

    [Theory]
    [MemberData(nameof(Samples))]
    public void Every_command_reads_every_format(string name)
    {
        var sample = CheckpointSamples.Find(name);
        var (file, copy) = (_folder.PathOf("sample"), _folder.PathOf("copy.safetensors"));
        foreach (var (sibling, bytes) in sample.Siblings ?? []) File.WriteAllBytes(_folder.PathOf(sibling), bytes);
        File.WriteAllBytes(file, sample.File(sample.Content));
        Assert.Contains($"{file}: {sample.Format}, ", CommandRun.Of("inspect", file, "--stats").Output, StringComparison.Ordinal);
        Assert.Equal(sample.Format.ToString(), CommandRun.Of("inspect", file, "--json").Json().GetProperty("format").GetString());
        Assert.Equal((ExitCodes.Success, ""), (CommandRun.Of("convert", file, copy).ExitCode, CommandRun.Of("convert", file, copy).Error));
        Assert.Equal(ExitCodes.Success, CommandRun.Of("diff", file, copy).ExitCode);
        Assert.Equal(CommandRun.Of("hash", file).Output.Split(' ')[0], CommandRun.Of("hash", copy).Output.Split(' ')[0]);
    }

    [Fact]
    public void Checkpoints_are_averaged_and_wrong_weights_are_refused()
    {
        var (a, b, soup) = (Write("a.safetensors", Floats("w", 1, 2), Counter(3)), Write("b.safetensors", Floats("w", 3, 6), Counter(5)), _folder.PathOf("soup.safetensors"));
        var run = CommandRun.Of("average", soup, a, b, "--weights", "3", "1");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.StartsWith($"{soup}: 1 tensors averaged from 2 files\n  75.0 % a.safetensors, content ", run.Output, StringComparison.Ordinal);
        Assert.Contains("taken from b.safetensors: 1 tensors that are no real numbers (counter)\n", run.Output, StringComparison.Ordinal);
        Assert.Equal("w: float32, 2\n[1.5   3]\n", CommandRun.Of("inspect", soup, "--tensor", "w").Output);
        Assert.Equal("w", CommandRun.Of("average", soup, a, b, "--json").Json().GetProperty("averaged")[0].GetString());
        Assert.Contains("1 averaged, 1 loaded", CommandRun.Of("provenance", soup).Output, StringComparison.Ordinal);
        Assert.Contains("--weights has 1 numbers for 2 checkpoints", Refused("average", soup, a, b, "--weights", "1"), StringComparison.Ordinal);
        Assert.Contains("--weights takes positive numbers, not \"-1\"", Refused("average", soup, a, b, "--weights", "1", "-1"), StringComparison.Ordinal);
        Refused("average", soup, a);

        static string Refused(params string[] args)
        {
            var refused = CommandRun.Of(args);
            Assert.Equal(ExitCodes.BadInput, refused.ExitCode);
            return refused.Error;
        }
    }

    [Fact]
    public void What_the_format_has_no_place_for_is_named()
    {
        var source = _folder.PathOf("a.safetensors");
        SafetensorsWriter.Write(source, [Counter(1)], new Dictionary<string, string>(StringComparer.Ordinal) { ["origin"] = "here" });
        Assert.Contains("left out: 1 values beside the tensors (origin)", CommandRun.Of("convert", source, _folder.PathOf("b.pth")).Output, StringComparison.Ordinal);
        Assert.DoesNotContain("left out", CommandRun.Of("convert", source, _folder.PathOf("b.safetensors")).Output, StringComparison.Ordinal);
        using var kept = Checkpoint.Open(_folder.PathOf("b.safetensors"));
        Assert.Equal("here", kept.Metadata["origin"]);
    }

    [Fact]
    public void A_sharded_set_is_one_checkpoint_to_every_command()
    {
        var index = _folder.PathOf("m.safetensors.index.json");
        SafetensorsWriter.WriteSharded(index, [Floats("w", 1, 2), Counter(3)], 8, new Dictionary<string, string> { ["origin"] = "here" });
        var inspected = CommandRun.Of("inspect", index);
        Assert.Equal((ExitCodes.Success, ""), (inspected.ExitCode, inspected.Error));
        Assert.Contains("origin: here\ntotal_size: 16\n", inspected.Output, StringComparison.Ordinal);
        Assert.Contains($"{index}: SafetensorsSharded, 2 tensors, 3 values, 16 B\n", inspected.Output, StringComparison.Ordinal);
        var converted = CommandRun.Of("convert", index, _folder.PathOf("one.safetensors"));
        Assert.Contains("left out: 1 values beside the tensors (total_size)", converted.Output, StringComparison.Ordinal);
        using (var one = Checkpoint.Open(_folder.PathOf("one.safetensors"))) Assert.Equal("here", Assert.Single(one.Metadata).Value);
        Assert.Equal(ExitCodes.Success, CommandRun.Of("diff", index, _folder.PathOf("one.safetensors")).ExitCode);
        Assert.Equal(
            CommandRun.Of("hash", index).Output.Split("  ")[0], CommandRun.Of("hash", _folder.PathOf("one.safetensors")).Output.Split("  ")[0]);
    }

    [Fact]
    public void An_ONNX_model_is_a_checkpoint_to_every_command()
    {
        var model = _folder.PathOf("m.onnx");
        var (first, second) = (new TensorInfo("w", TensorType.Float32, [2]), new TensorInfo("n", TensorType.Int64, []));
        File.WriteAllBytes(model, OnnxFile.Model(
            OnnxFile.Tensor(first, MemoryMarshal.AsBytes<float>([1, 2]).ToArray()),
            OnnxFile.Tensor(second, BitConverter.GetBytes(300L), OnnxLayout.Packed),
            words => words.Number(2, 8).Text(8, "words")));
        Assert.Contains($"{model}: Onnx, 2 tensors, 3 values, 16 B\n", CommandRun.Of("inspect", model).Output, StringComparison.Ordinal);
        Assert.Contains("300\n", CommandRun.Of("inspect", model, "--tensor", "n").Output, StringComparison.Ordinal);
        var converted = CommandRun.Of("convert", model, _folder.PathOf("m.safetensors"));
        Assert.Contains("left out: 1 values beside the tensors (words)", converted.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Success, CommandRun.Of("diff", model, _folder.PathOf("m.safetensors")).ExitCode);
        using var copy = Checkpoint.Open(_folder.PathOf("m.safetensors"));
        Assert.Equal("frostline", copy.Metadata["producer_name"]);
    }

    [Theory]
    [InlineData("b.onnx")]
    [InlineData("b")]
    [InlineData("b.pth", "--dtype", "f8")]
    public void A_wrong_conversion_is_one_line_and_writes_nothing(string output, params string[] options)
    {
        var run = CommandRun.Of(["convert", Write("a.safetensors", Counter(1)), _folder.PathOf(output), .. options]);
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Matches(@"\Afrostline: [^\n]+\n\z", run.Error);
        Assert.Single(Directory.EnumerateFiles(_folder.Path));
    }

    [Fact]
    public void Equal_tensors_in_other_containers_and_orders_do_not_differ()
    {
        var first = Write("a.safetensors", Floats("w", 1, float.NaN), Counter(3));
        PyTorchWriter.Write(_folder.PathOf("b.pth"), [Counter(3), Floats("w", 1, float.NaN)]);
        var run = CommandRun.Of("diff", first, _folder.PathOf("b.pth"));
        Assert.Equal((ExitCodes.Success, "2 tensors equal bit for bit\n", ""), (run.ExitCode, run.Output, run.Error));
    }

    [Fact]
    public void Differences_are_listed_with_an_exit_code_of_their_own()
    {
        var first = Write("a.safetensors", Floats("same", 1), Floats("moved", 1, 2), Floats("broken", 1), Floats("shape", 1, 2), Floats("gone", 1));
        var second = Write("b.safetensors", Floats("new", 1), Floats("same", 1), Floats("moved", 1, 1.5f), Floats("broken", float.NaN), Floats("shape", 1));
        var run = CommandRun.Of("diff", first, second);
        Assert.Equal((ExitCodes.Different, ""), (run.ExitCode, run.Error));
        Assert.NotEqual(ExitCodes.Bug, run.ExitCode);
        Assert.Equal(
            """
            name    A          B          largest difference
            ------------------------------------------------
            moved   float32 2  float32 2                 0.5
            broken  float32 1  float32 1                 NaN
            shape   float32 2  float32 1                   -
            gone    float32 1  absent                      -
            new     absent     float32 1                   -

            1 tensors equal bit for bit, 2 of other values, 1 of another type or shape, 2 in one file only

            """,
            run.Output);
        var json = CommandRun.Of("diff", first, second, "--json");
        Assert.Equal(ExitCodes.Different, json.ExitCode);
        Assert.False(json.Json().GetProperty("equal").GetBoolean());
        Assert.Equal(0.5, json.Json().GetProperty("tensors")[1].GetProperty("largestDifference").GetDouble());
        Assert.Equal("NaN", json.Json().GetProperty("tensors")[2].GetProperty("largestDifference").GetString());
    }

    [Fact]
    public void Converting_with_a_map_renames_and_says_so()
    {
        var source = _folder.PathOf("a.safetensors");
        SafetensorsWriter.Write(
            source,
            [Floats("module.net.w", 1), Floats("module.b", 2)],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["origin"] = "here", ["frostline.provenance"] = "{}" });
        var target = _folder.PathOf("b.safetensors");
        var run = CommandRun.Of("convert", source, target, "--map", "wrappers");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Equal(
            $"""
            {target}: Safetensors, 2 tensors, 8 B
            renamed: 2 tensors (module.net.w -> net.w, module.b -> b)
            remark: strip optional prefix "_orig_mod." matched nothing
            remark: strip optional prefix "module." matched nothing
            left out: 1 values beside the tensors (frostline.provenance)

            """,
            run.Output);
        using (var written = Checkpoint.Open(target))
        {
            Assert.Equal(["net.w", "b"], written.Tensors.Select(t => t.Name));
            Assert.Equal(["origin"], written.Metadata.Keys);
        }

        File.WriteAllText(_folder.PathOf("names.yaml"), "version: 1\nrules:\n  - rename: '^module\\.(net\\.)?'\n    to: 'x.'\n");
        var json = CommandRun.Of("convert", source, target, "--map", _folder.PathOf("names.yaml"), "--dtype", "f16", "--json").Json();
        Assert.Equal("module.net.w", json.GetProperty("tensors")[0].GetProperty("key").GetString());
        Assert.Equal("x.w", json.GetProperty("tensors")[0].GetProperty("name").GetString());
        Assert.Equal(0, json.GetProperty("remarks").GetArrayLength());
    }

    [Theory]
    [InlineData("wrapers", "\"wrapers\" is neither a file nor one of module, orig-mod, wrappers", "did you mean \"wrappers\"?")]
    [InlineData("backbone", "strip prefix \"backbone.\" matches none of 2 names", "")]
    [InlineData("names.yaml", "names.yaml:2:9: \"strip\" starts no rule of rules[0]", "")]
    public void A_wrong_map_is_one_line_and_writes_nothing(string map, params string[] expected)
    {
        var source = Write("a.safetensors", Floats("w", 1), Counter(1));
        var file = _folder.PathOf("names.yaml");
        File.WriteAllText(file, "version: 1\nrules: [strip: x]\n");
        var run = CommandRun.Of("convert", source, _folder.PathOf("b.pth"), "--map", map == "names.yaml" ? file : map);
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Matches(@"\Afrostline: [^\n]+\n\z", run.Error);
        Assert.All(expected, text => Assert.Contains(text, run.Error, StringComparison.Ordinal));
        Assert.Equal(2, Directory.EnumerateFiles(_folder.Path).Count());
    }

    [Fact]
    public void Two_wrappers_of_one_file_are_compared_under_mapped_names()
    {
        var first = Write("a.safetensors", Floats("module.w", 1), Floats("module.v", 2));
        var second = Write("b.safetensors", Floats("w", 1), Floats("v", 3));
        Assert.Contains("4 in one file only", CommandRun.Of("diff", first, second).Output, StringComparison.Ordinal);
        var run = CommandRun.Of("diff", first, second, "--map", "module");
        Assert.Equal((ExitCodes.Different, ""), (run.ExitCode, run.Error));
        Assert.Equal(
            """
            name  A          B          largest difference
            ----------------------------------------------
            v     float32 1  float32 1                   1

            renamed: 2 tensors (module.w -> w, module.v -> v)
            1 tensors equal bit for bit, 1 of other values

            """,
            run.Output);
        var json = CommandRun.Of("diff", first, second, "--map", "wrappers", "--json").Json();
        Assert.Equal("module.w", json.GetProperty("tensors")[0].GetProperty("a").GetProperty("name").GetString());
        Assert.Equal(2, json.GetProperty("remarks").GetArrayLength());
    }

    [Fact]
    public void Two_dictionaries_of_one_file_are_compared_by_their_keys()
    {
        static Action<Pickler> State(string storage) => p => p.Dict(("w", (Action<Pickler>)(q => q.Tensor("FloatStorage", storage, 1, 0, [1], [1]))));
        var file = _folder.PathOf("two.pth");
        File.WriteAllBytes(file, TorchFile.Zip(
            p => p.Dict(("model", State("0")), ("ema", State("1"))), ("0", BitConverter.GetBytes(1f)), ("1", BitConverter.GetBytes(3f))));
        Assert.Equal(ExitCodes.Success, CommandRun.Of("diff", file, file).ExitCode);
        var run = CommandRun.Of("diff", file, file, "--key-b", "ema", "--json");
        Assert.Equal((ExitCodes.Different, ""), (run.ExitCode, run.Error));
        Assert.Equal(2, run.Json().GetProperty("tensors")[0].GetProperty("largestDifference").GetDouble());
        Assert.Equal(ExitCodes.Success, CommandRun.Of("diff", file, file, "--key-a", "ema", "--key-b", "ema").ExitCode);
    }

    [Fact]
    public void Statistics_leave_out_and_count_what_is_not_finite()
    {
        var path = Write("a.safetensors", Floats("w", 1, 2, 3, 4, float.NaN, float.PositiveInfinity, float.NegativeInfinity), Floats("none", float.NaN));
        var run = CommandRun.Of("inspect", path, "--stats");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("w     float32  7       2.5  1.118    1    4    1    2\n", run.Output, StringComparison.Ordinal);
        var json = CommandRun.Of("inspect", path, "--stats", "--json").Json().GetProperty("tensors");
        var statistics = json[0].GetProperty("statistics");
        Assert.Equal(2.5, statistics.GetProperty("mean").GetDouble());
        Assert.Equal(Math.Sqrt(1.25), statistics.GetProperty("standardDeviation").GetDouble(), 1e-15);
        Assert.Equal((1, 2), (statistics.GetProperty("notNumbers").GetInt32(), statistics.GetProperty("infinities").GetInt32()));
        Assert.Equal(System.Text.Json.JsonValueKind.Null, json[1].GetProperty("statistics").GetProperty("mean").ValueKind);
    }

    [Fact]
    public void Values_are_printed_as_NumPy_prints_them()
    {
        var path = Write("a.safetensors", Floats("w", 1, -2.5f, 0.1f), Counter(long.MaxValue), Wide());
        Assert.Equal("w: float32, 3\n[   1 -2.5  0.1]\n", CommandRun.Of("inspect", path, "--tensor", "w").Output);
        Assert.Equal("counter: int64, scalar\n9223372036854775807\n", CommandRun.Of("inspect", path, "--tensor", "counter").Output);
        Assert.Equal(
            """
            wide: int16, 2 x 10 x 100
            [[[   0    1    2 ...   97   98   99]
              [ 100  101  102 ...  197  198  199]
              [ 200  201  202 ...  297  298  299]
              ...
              [ 700  701  702 ...  797  798  799]
              [ 800  801  802 ...  897  898  899]
              [ 900  901  902 ...  997  998  999]]

             [[1000 1001 1002 ... 1097 1098 1099]
              [1100 1101 1102 ... 1197 1198 1199]
              [1200 1201 1202 ... 1297 1298 1299]
              ...
              [1700 1701 1702 ... 1797 1798 1799]
              [1800 1801 1802 ... 1897 1898 1899]
              [1900 1901 1902 ... 1997 1998 1999]]]

            """,
            CommandRun.Of("inspect", path, "--tensor", "wide").Output);
        var json = CommandRun.Of("inspect", path, "--tensor", "wide", "--json").Json();
        Assert.Equal(1000, json.GetProperty("values").GetArrayLength());
        Assert.True(json.GetProperty("truncated").GetBoolean());
        var missing = CommandRun.Of("inspect", path, "--tensor", "wid");
        Assert.Equal(ExitCodes.BadInput, missing.ExitCode);
        Assert.Contains("\"wide\"", missing.Error, StringComparison.Ordinal);
    }

    private static TensorSource Wide() => TensorSource.From(
        new("wide", TensorType.Int16, [2, 10, 100]), MemoryMarshal.AsBytes<short>([.. Enumerable.Range(0, 2000).Select(i => (short)i)]).ToArray());

    private static TensorSource Floats(string name, params float[] values) =>
        TensorSource.From(new(name, TensorType.Float32, [values.Length]), MemoryMarshal.AsBytes<float>(values).ToArray());

    private static TensorSource Counter(long value) => TensorSource.From(new("counter", TensorType.Int64, []), BitConverter.GetBytes(value));

    private string Write(string name, params TensorSource[] tensors)
    {
        SafetensorsWriter.Write(_folder.PathOf(name), tensors);
        return _folder.PathOf(name);
    }
}
