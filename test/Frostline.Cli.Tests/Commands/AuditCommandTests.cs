using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Commands;
using Frostline.Cli.Shell;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Vision.Networks;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

[Collection(LibTorchCollection.Name)]
public sealed class AuditCommandTests : IDisposable
{
    private const string Weight = "layer1.0.conv1.weight";
    private const string Mean = "layer1.0.bn1.running_mean";
    private const string ParametersOnly = "freeze=[{ of: \"** & !linear\", parameters: off }]";

    private readonly TinyProject _project = new();

    public void Dispose() => _project.Dispose();

    private string Backbone => _project.PathOf("backbone.safetensors");

    [Fact]
    public void Where_nothing_moved_it_says_so()
    {
        var run = Audit(Backbone, Trained("after.safetensors"));
        Assert.Equal(new CommandRun(ExitCodes.Success, "114 frozen tensors, none moved by a bit\n", ""), run);
    }

    [Fact]
    public void A_single_bit_is_found()
    {
        var run = Audit(Backbone, Trained("after.safetensors", (name, bytes) =>
        {
            // The sign: from x to -x.
            if (name == Weight) bytes[3] ^= 0x80;
        }));
        using var before = Checkpoint.Open(Backbone);
        var twice = Math.Abs(2.0 * BitConverter.ToSingle(before.Read(Weight)));
        Assert.Equal((ExitCodes.Different, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Equal("name                   audit              change  elements  largest change", lines[0]);
        Assert.Equal($"{Weight}  frozen, and moved  values         1  {Numbers.Of(twice),14}", lines[2]);
        Assert.Equal(["", "1 of 114 frozen tensors moved", ""], lines[3..]);
    }

    [Fact]
    public void Statistics_that_drift_below_frozen_parameters_are_an_error_unless_the_plan_says_so()
    {
        var after = Trained("after.safetensors", (name, bytes) =>
        {
            if (name == Mean) bytes[0] ^= 1;
        });
        var forgotten = Audit(Backbone, after, "--set", ParametersOnly);
        Assert.Equal(ExitCodes.Different, forgotten.ExitCode);
        Assert.Contains($"{Mean}  frozen, and moved  values         1", forgotten.Output, StringComparison.Ordinal);
        Assert.EndsWith("\n1 of 114 frozen tensors moved\n", forgotten.Output, StringComparison.Ordinal);

        var stated = Audit(Backbone, after, "--set", "freeze=[{ freeze: \"** & !linear\", norm: move }]");
        Assert.Equal(ExitCodes.Success, stated.ExitCode);
        Assert.Contains($"{Mean}  moves as the plan says  values         1", stated.Output, StringComparison.Ordinal);
        Assert.EndsWith("\n57 frozen tensors, none moved by a bit\n", stated.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_names_of_before_are_the_network_s_or_those_under_which_the_recipe_loads_it()
    {
        // Two PyTorch files with the names of another program; the second is none that the recipe knows.
        var old = Copy(Backbone, "old.pth", name => $"encoder.{name}");
        var other = Copy(Backbone, "other.pth", name => $"encoder.{name}", (name, bytes) =>
        {
            if (name == "linear.weight") bytes[0] ^= 1;
        });
        var checkpoint = Copy(Backbone, "last.safetensors", name => $"model.{name}");
        string[] sets = ["--set", $"initialize[1]={{ load: {old}, into: \"** & !linear\", strip-prefix: encoder. }}"];
        foreach (var before in new[] { old, other, checkpoint, Backbone })
            Assert.Equal("114 frozen tensors, none moved by a bit\n", Audit(before, Trained("after.safetensors"), sets).Output);

        var moved = Trained("moved.safetensors", (name, bytes) =>
        {
            if (name == Weight) bytes[0] ^= 1;
        });
        foreach (var before in new[] { old, other, checkpoint, Backbone })
        {
            var run = Audit(before, moved, sets);
            Assert.Equal(ExitCodes.Different, run.ExitCode);
            Assert.Contains($"{Weight}  frozen, and moved  values         1", run.Output, StringComparison.Ordinal);
        }

        // What was trained elsewhere still has the old names.
        Assert.Equal(ExitCodes.Different, Audit(old, Copy(moved, "moved.pth", name => $"encoder.{name}"), sets).ExitCode);
    }

    [Theory]
    [InlineData("before.pth", "--key-before", "")]
    [InlineData("before.dat")]
    [InlineData("before.npz")]
    public void Before_may_be_of_another_format(string file, params string[] keys)
    {
        var path = _project.PathOf(file);
        using (var network = new CifarResNet(20, classes: 10))
        {
            ModelFile.Load(network, Backbone);
            if (file.EndsWith(".dat", StringComparison.Ordinal)) network.save(path);
            else if (file.EndsWith(".npz", StringComparison.Ordinal)) WriteArrays(path);
            else PyTorchWriter.Write(path, ModelFile.Tensors(network));
        }

        Assert.Equal("114 frozen tensors, none moved by a bit\n", Audit(path, Trained("after.safetensors"), keys).Output);
        var moved = Trained("moved.safetensors", (name, bytes) =>
        {
            if (name == Mean) bytes[0] ^= 1;
        });
        Assert.Contains($"{Mean}  frozen, and moved  values         1", Audit(path, moved, keys).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Frozen_is_what_every_phase_holds()
    {
        const string phases = "freeze=[{ freeze: \"** & !linear\" }, { from-epoch: 1, train: layer3 }]";
        var trained = Trained("after.safetensors", (name, bytes) =>
        {
            if (name.StartsWith("layer3.", StringComparison.Ordinal) && !name.EndsWith("2.conv2.weight", StringComparison.Ordinal)) bytes[0] ^= 1;
        });
        Assert.Equal(ExitCodes.Different, Audit(Backbone, trained).ExitCode);
        var run = Audit(Backbone, trained, "--set", phases);
        Assert.Equal(
            new CommandRun(
                ExitCodes.Success,
                "warning: 1 trained parameter (layer3.2.conv2.weight) did not move: it is trained once 1 epoch is over: the later file may be from "
                + "before, or no gradient reached it\n78 frozen tensors, none moved by a bit\n",
                ""),
            run);
    }

    [Fact]
    public void What_before_lacks_or_was_computed_from_it_is_not_compared_and_said()
    {
        var half = Copy(Backbone, "half.safetensors", cast: name => name == Weight);
        var run = Audit(half, Trained("after.safetensors"), "--set", "initialize[1].load=half.safetensors", "freeze[0].freeze=** & !bn1", "allow-random=true");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains(
            $"not compared: 1 frozen tensor ({Weight}): not as in half.safetensors: loaded from half.safetensors, cast from Float16\n", run.Output, StringComparison.Ordinal);
        Assert.Contains(
            "not compared: 1 frozen tensor (linear.bias): not in half.safetensors: drawn by fan-in-bias, seed 7\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("warning: 2 trained parameters (bn1.weight, bn1.bias) did not move: no gradient reached it,", run.Output, StringComparison.Ordinal);
        Assert.EndsWith("\n108 frozen tensors, none moved by a bit\n", run.Output, StringComparison.Ordinal);

        // Nothing compared is nothing proven.
        var all = Copy(Backbone, "all.safetensors", cast: _ => true);
        var nothing = Audit(all, Trained("after.safetensors"), "--set", "initialize[1].load=all.safetensors", "freeze[0].freeze=layer1.0.conv1");
        Assert.Equal((ExitCodes.BadInput, ""), (nothing.ExitCode, nothing.Output));
        Assert.Matches(@"\Afrostline: [^\n]*all\.safetensors: none of the 1 frozen tensors can be compared [^\n]+\n\z", nothing.Error);
    }

    [Fact]
    public void Json_has_every_finding()
    {
        var after = Trained("after.safetensors", (name, bytes) =>
        {
            if (name == Weight) bytes[3] ^= 0x80;
        });
        var run = Audit(Backbone, after, "--json", "--set", "freeze[0].freeze=** & !bn1", "allow-random=true");
        Assert.Equal((ExitCodes.Different, ""), (run.ExitCode, run.Error));
        var json = run.Json();
        Assert.Equal((Backbone, after), (json.GetProperty("before").GetString(), json.GetProperty("after").GetString()));
        Assert.Equal(109, json.GetProperty("frozenTensors").GetInt32());
        var moved = json.GetProperty("moved")[0];
        Assert.Equal((Weight, "parameter", "values"), (Text(moved, "name"), Text(moved, "kind"), Text(moved, "change")));
        Assert.Equal(1, moved.GetProperty("changedElements").GetInt64());
        Assert.True(moved.GetProperty("largestChange").GetDouble() > 0);
        Assert.Equal(["linear.weight", "linear.bias"], json.GetProperty("notCompared").EnumerateArray().Select(tensor => Text(tensor, "name")));
        Assert.Equal("unknown", Text(json.GetProperty("notCompared")[0], "cause"));
        Assert.Equal(["bn1.weight", "bn1.bias"], json.GetProperty("trainedButUnmoved").EnumerateArray().Select(tensor => Text(tensor, "name")));
        Assert.Equal((0, 0), (json.GetProperty("statedDrift").GetArrayLength(), json.GetProperty("remarks").GetArrayLength()));
    }

    [Fact]
    public void Neither_the_data_nor_the_weights_of_the_recipe_need_be_there_where_the_later_file_tells()
    {
        var recipe = Recipe.Load(_project.Recipe, Registries.Create());
        using var network = new CifarResNet(20, classes: 2);
        InitializationReport report;
        using (var backbone = Checkpoint.Open(Backbone))
            report = new InitializationPlan().Draw("linear", InitializationScheme.ResNet).Load("** & !linear", backbone).Apply(network, seed: 7);
        var after = _project.PathOf("run.safetensors");
        ModelFile.Save(network, after, ModelDescription.Of(recipe, new ClassMap(["blue", "red"])).ToMetadata(), report);
        Directory.Delete(_project.PathOf("train"), recursive: true);
        Assert.Equal("114 frozen tensors, none moved by a bit\n", Audit(Backbone, after).Output);

        var plain = Trained("plain.safetensors");
        Assert.Equal(ExitCodes.BadInput, Audit(Backbone, plain).ExitCode);
        Assert.Equal("114 frozen tensors, none moved by a bit\n", Audit(Backbone, plain, "--set", "model={ name: cifar-resnet20, classes: 2 }").Output);

        File.Move(Backbone, _project.PathOf("elsewhere.safetensors"));
        var run = Audit(_project.PathOf("elsewhere.safetensors"), after);
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Matches(@"\Aremark: where values came from is told by run\.safetensors, [^\n]+\n114 frozen tensors, none moved by a bit\n\z", run.Output);
    }

    [Fact]
    public void A_file_that_does_not_fit_is_one_line()
    {
        var after = Trained("after.safetensors");
        var strange = _project.PathOf("strange.safetensors");
        SafetensorsWriter.Write(strange, [TensorSource.From(new TensorInfo("w", TensorType.UInt8, [1]), new byte[1])]);
        Refused("strange.safetensors has no tensor of the network", strange, after);
        Refused("strange.safetensors has no tensor of the network", Backbone, strange);
        Refused("missing.safetensors", _project.PathOf("missing.safetensors"), after);
        Refused("nope", Backbone, Copy(after, "after.pth"), "--key-after", "nope");
        Refused("--plan", ["audit", Backbone, after]);
        Refused("\"layer9\"", Backbone, after, "--set", "freeze[0].freeze=layer9");

        using var other = new SqueezeNet(SqueezeNetVersion.V1_1, classes: 2);
        var described = _project.PathOf("other.safetensors");
        var recipe = Recipe.Load(_project.Recipe, Registries.Create(), ["model=squeezenet1_1"]);
        ModelFile.Save(other, described, ModelDescription.Of(recipe, new ClassMap(["blue", "red"])).ToMetadata());
        Refused("other.safetensors holds squeezenet1_1, and the recipe has cifar-resnet20", Backbone, described);
    }

    private void Refused(string expected, string before, string after, params string[] more) =>
        Refused(expected, ["audit", before, after, "--plan", _project.Recipe, .. more]);

    private static void Refused(string expected, string[] args)
    {
        var run = CommandRun.Of(args);
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Matches(@"\Afrostline: [^\n]+\n\z", run.Error);
    }

    private CommandRun Audit(string before, string after, params string[] more) =>
        CommandRun.Of(["audit", before, after, "--plan", _project.Recipe, .. more]);

    /// <summary>The backbone as <c>np.savez</c> writes it.</summary>
    private void WriteArrays(string path)
    {
        using var from = Checkpoint.Open(Backbone);
        File.WriteAllBytes(path, NumpyFile.Archive(compressed: false, [.. from.Tensors.Select(tensor => (
            tensor.Name,
            NumpyFile.Array(tensor.Type == TensorType.Int64 ? "'<i8'" : "'<f4'", [.. tensor.Shape], from.Read(tensor.Name))))]));
    }

    /// <summary>What a training makes of the backbone: a head of two classes, and what a test changes.</summary>
    private string Trained(string file, Action<string, byte[]>? change = null) => Copy(Backbone, file, change: change, head: true);

    private string Copy(
        string source, string file, Func<string, string>? rename = null, Action<string, byte[]>? change = null, Func<string, bool>? cast = null, bool head = false)
    {
        var path = _project.PathOf(file);
        var tensors = new List<TensorSource>();
        using (var from = Checkpoint.Open(source))
        {
            foreach (var tensor in from.Tensors)
            {
                var bytes = from.Read(tensor.Name);
                var (type, shape) = (tensor.Type, tensor.Shape);
                if (head && tensor.Name.StartsWith("linear.", StringComparison.Ordinal))
                {
                    shape = [2, .. shape.Skip(1)];
                    bytes = bytes[..(bytes.Length / 5)];
                }

                if (type == TensorType.Float32 && cast?.Invoke(tensor.Name) == true)
                {
                    type = TensorType.Float16;
                    bytes = bytes[..(bytes.Length / 2)];
                    // Halves that are numbers, whatever the bytes were.
                    for (var i = 1; i < bytes.Length; i += 2) bytes[i] &= 0x3f;
                }

                change?.Invoke(tensor.Name, bytes);
                tensors.Add(TensorSource.From(new TensorInfo(rename?.Invoke(tensor.Name) ?? tensor.Name, type, shape), bytes));
            }
        }

        if (file.EndsWith(".pth", StringComparison.Ordinal)) PyTorchWriter.Write(path, tensors);
        else SafetensorsWriter.Write(path, tensors);
        return path;
    }

    private static string? Text(JsonElement element, string property) => element.GetProperty(property).GetString();
}
