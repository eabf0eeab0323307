using System.Diagnostics;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

public sealed class InspectCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_tree_shows_every_tensor_and_the_totals()
    {
        var path = Write(new Dictionary<string, string>(StringComparer.Ordinal) { ["frostline.model"] = "small" });
        var run = CommandRun.Of("inspect", path);
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Equal(
            $"""
            name          type      shape      bytes
            ----------------------------------------
            stem                    2 tensors    676
              weight      float32   8 x 3 x 7    672
              [odd] name  bfloat16  2              4
            counter       int64     scalar         8

            frostline.model: small
            {path}: Safetensors, 3 tensors, 171 values, 684 B

            """,
            run.Output);
    }

    [Fact]
    public void A_branch_with_one_child_shares_its_row_and_a_tensor_may_have_branches()
    {
        var path = _folder.PathOf("model.safetensors");
        SafetensorsWriter.Write(
            path,
            [
                Tensor("net.conv.weight", TensorType.Float32, 2), Tensor("net.bn.weight", TensorType.Float32, 1), Tensor("net.bn.bias", TensorType.Float32, 1),
                Tensor("net.bn", TensorType.Bool), Tensor("net.conv.extra.weight", TensorType.Float32), Tensor(new string('.', 100), TensorType.Bool),
            ]);
        var rows = CommandRun.Of("inspect", path).Output.Split('\n')[2..10].Select(line => Cells(line));
        Assert.Equal(
            [
                "net | 5 tensors | 21", "  conv | 2 tensors | 12", "    weight | float32 | 2 | 8", "    extra.weight | float32 | scalar | 4",
                "  bn | bool | scalar | 1", "    weight | float32 | 1 | 4", "    bias | float32 | 1 | 4", $"{new string('.', 100)} | bool | scalar | 1",
            ],
            rows);
    }

    [Fact]
    public void Values_beside_the_tensors_and_the_keys_that_may_be_chosen_are_shown()
    {
        var path = Fixtures.PathOf("golden/checkpoints/checkpoint_sgd_zip.pth");
        var run = CommandRun.Of("inspect", path);
        Assert.Contains("\nepoch: 7\n", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"\n--key chooses one of: state_dict, optimizer[^\n]*\n", run.Output);
        Assert.Contains("under \"state_dict\"", run.Output, StringComparison.Ordinal);
        var json = CommandRun.Of("inspect", path, "--json").Json();
        Assert.Equal(7, json.GetProperty("plainValues").GetProperty("epoch").GetInt64());
        Assert.Contains("optimizer/state", json.GetProperty("keys").EnumerateArray().Select(key => key.GetString()));
    }

    [Fact]
    public void Json_has_everything_that_the_table_has()
    {
        var path = Write(new Dictionary<string, string>(StringComparer.Ordinal) { ["frostline.model"] = "small" });
        var run = CommandRun.Of("inspect", path, "--json");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        var json = run.Json();
        Assert.Equal(path, json.GetProperty("file").GetString());
        Assert.Equal("Safetensors", json.GetProperty("format").GetString());
        Assert.Equal(684, json.GetProperty("bytes").GetInt64());
        Assert.Equal("small", json.GetProperty("metadata").GetProperty("frostline.model").GetString());
        var tensors = json.GetProperty("tensors").EnumerateArray().ToList();
        Assert.Equal(["stem.weight", "stem.[odd] name", "counter"], tensors.Select(t => t.GetProperty("name").GetString()));
        Assert.Equal([8L, 3L, 7L], tensors[0].GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()));
        Assert.Equal("int64", tensors[2].GetProperty("type").GetString());
    }

    [Fact]
    public void A_missing_file_is_one_line_that_names_it()
    {
        var run = CommandRun.Of("inspect", _folder.PathOf("absent.pth"));
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Matches(@"\Afrostline: [^\n]*absent\.pth[^\n]*\n\z", run.Error);
    }

    [Fact]
    public void A_file_of_another_kind_is_one_line_that_names_it()
    {
        File.WriteAllText(_folder.PathOf("recipe.yaml"), "version: 1\n");
        var run = CommandRun.Of("inspect", _folder.PathOf("recipe.yaml"));
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Matches(@"\Afrostline: [^\n]*recipe\.yaml[^\n]*\n\z", run.Error);
    }

    [Theory]
    [InlineData("inspect")]
    [InlineData("diff", "--map", "module")]
    public void Neither_libtorch_nor_TorchSharp_is_loaded(string command, params string[] options)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "a process's mapped files are read from /proc");

        // More text than a pipe holds: once its first line has come, the program waits in the middle of its output.
        var path = _folder.PathOf("large.safetensors");
        SafetensorsWriter.Write(path, [.. Enumerable.Range(0, 4000).Select(i => Tensor($"module.layer{i}.weight", TensorType.Float32, 1))]);
        string[] files = command == "diff" ? [path, Write([])] : [path];
        using var process = Process.Start(new ProcessStartInfo("dotnet", [ProgramPath, command, .. files, .. options])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            WorkingDirectory = _folder.Path,
        })!;
        process.StandardOutput.ReadLine();
        var loaded = File.ReadLines($"/proc/{process.Id}/maps").Select(line => Path.GetFileName(line)).ToHashSet(StringComparer.Ordinal);
        var rest = process.StandardOutput.ReadToEnd();
        process.WaitForExit();

        Assert.Equal(command == "diff" ? ExitCodes.Different : ExitCodes.Success, process.ExitCode);
        Assert.Contains(command == "diff" ? "4,003 in one file only" : "4,000 tensors", rest, StringComparison.Ordinal);
        Assert.Contains("Frostline.Core.dll", loaded);
        Assert.DoesNotContain(loaded, file =>
            file.Contains("torch", StringComparison.OrdinalIgnoreCase) || file.Contains("vips", StringComparison.OrdinalIgnoreCase)
            || file is "Frostline.Vision.dll" or "Frostline.Training.dll");
    }

    /// <summary>A row with its indent, and its cells with one separator each.</summary>
    private static string Cells(string row) =>
        row[..^row.TrimStart().Length] + string.Join(" | ", row.TrimStart().Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    private static string ProgramPath => Path.Combine(AppContext.BaseDirectory, "frostline.dll");

    private string Write(Dictionary<string, string> metadata)
    {
        var path = _folder.PathOf("model.safetensors");
        SafetensorsWriter.Write(
            path,
            [
                Tensor("stem.weight", TensorType.Float32, 8, 3, 7),
                Tensor("stem.[odd] name", TensorType.BFloat16, 2),
                Tensor("counter", TensorType.Int64),
            ],
            metadata);
        return path;
    }

    private static TensorSource Tensor(string name, TensorType type, params long[] shape)
    {
        var info = new TensorInfo(name, type, shape);
        return TensorSource.From(info, new byte[info.ByteCount]);
    }
}
