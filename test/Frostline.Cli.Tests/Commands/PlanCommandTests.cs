using System.Text.Json;
using Frostline.Cli.Shell;
using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

[Collection(LibTorchCollection.Name)]
public sealed class PlanCommandTests : IDisposable
{
    private const string AllDrawn = "initialize=[{ draw: \"**\", scheme: resnet }]";

    private const string Expected =
            """
            network cifar-resnet20: 269,202 parameters, 130 trained, 269,072 frozen
            data: 8 samples to train on, 4 to validate on, 2 classes

            initialised by                                   origin                                                                                        tensors   values  first
            ------------------------------------------------------------------------------------------------------------------------------------------------------------------------------
            load "backbone.safetensors" into "** & !linear"  loaded from backbone.safetensors                                                                  114  270,467  conv1.weight
            draw "linear" by scheme resnet                   drawn by kaiming-uniform(fan: in, nonlinearity: leaky-relu, slope: 2.23606797749979), seed 7        1      128  linear.weight
            draw "linear" by scheme resnet                   drawn by fan-in-bias, seed 7                                                                        1        2  linear.bias
            backbone.safetensors: 114 of 114 tensors loaded, 2 skipped, 2 of another shape
              outcome  key            name           in the file       in the network   detail
              skipped  linear.weight  linear.weight  Float32 [10, 64]  Float32 [2, 64]  outside "** & !linear"
              skipped  linear.bias    linear.bias    Float32 [10]      Float32 [2]      outside "** & !linear"

            module  type         status   parameters  trained   frozen  statistics  dropout  rate
            conv1   Conv2d       frozen          432        0      432
            bn1     BatchNorm2d  frozen           32        0       32  hold
            layer1  Sequential   frozen       14,016        0   14,016  hold
            layer2  Sequential   frozen       51,072        0   51,072  hold
            layer3  Sequential   frozen      203,520        0  203,520  hold
            linear  Linear       trained         130      130        0                       1x
            total                            269,202      130  269,072
            frost line: head

            stage   changes  trained   frozen  multiply-adds   output
            ---------------------------------------------------------
            stem    no             0      464         1.77 M   262 kB
            layer1  no             0   14,016         56.6 M   262 kB
            layer2  no             0   51,072         51.9 M   131 kB
            layer3  no             0  203,520         51.9 M  65.5 kB
            pool    no             0        0              0  1.02 kB
            head    yes          130        0            512     32 B

            a step of 4 samples (image 4 x 3 x 32 x 32), estimated:
              162 M multiply-adds forward and backward
              2.92 MB of memory: 1.08 MB parameters and buffers, 520 B gradients, 520 B optimizer, 1.02 kB activations, 1.84 MB passing

            """;

    private readonly TinyProject _project = new();

    public void Dispose() => _project.Dispose();

    [Fact]
    public void The_plan_says_what_is_loaded_drawn_frozen_and_trained_and_what_a_step_costs()
    {
        var run = CommandRun.Of("plan", _project.Recipe);
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Equal(Expected, run.Output);
    }

    [Fact]
    public void The_policies_of_a_load_rule_reach_the_network()
    {
        string[] policies = ["initialize[1].first-conv={ of: conv1.weight, by: repeat }", "initialize[1].interpolate={ of: bn1.weight, to: [4, 4] }"];
        var run = CommandRun.Of("plan", _project.Recipe, "--set", policies[0]);
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("  remark: first-conv \"conv1.weight\": the shapes agree, loaded as it is\n", run.Output, StringComparison.Ordinal);
        var resized = CommandRun.Of("plan", _project.Recipe, "--set", policies[1], "initialize[1].interpolate.from=[2, 8]");
        Assert.Equal((ExitCodes.Success, ""), (resized.ExitCode, resized.Error));
        Assert.Contains("114 of 114 tensors loaded, 1 adapted, 2 skipped, 2 of another shape\n", resized.Output, StringComparison.Ordinal);
        Assert.Contains("interpolate, 2 x 8 to 4 x 4\n", resized.Output, StringComparison.Ordinal);
        var wrong = CommandRun.Of("plan", _project.Recipe, "--set", "initialize[1].interpolate={ of: linear.weight }");
        Assert.Equal(ExitCodes.BadInput, wrong.ExitCode);
        Assert.Matches(@"\Afrostline: [^\n]+ interpolate ""linear\.weight"" selects nothing of what the rule loads into[^\n]+\n\z", wrong.Error);
    }

    [Fact]
    public void Json_has_every_tensor_with_origin_and_state()
    {
        var run = CommandRun.Of("plan", _project.Recipe, "--json");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        var json = run.Json();
        Assert.Equal("cifar-resnet20", json.GetProperty("model").GetProperty("name").GetString());
        Assert.Equal(130, json.GetProperty("model").GetProperty("trainable").GetInt64());
        Assert.Equal(2, json.GetProperty("initialization").GetProperty("drawn").GetInt32());
        var load = json.GetProperty("loads")[0];
        Assert.Equal((116, "loaded"), (load.GetProperty("tensors").GetArrayLength(), load.GetProperty("tensors")[0].GetProperty("outcome").GetString()));
        Assert.Equal(
            "backbone.safetensors: 114 of 114 tensors loaded, 2 skipped, 2 of another shape",
            json.GetProperty("initialization").GetProperty("loads")[0].GetString());
        Assert.Equal("head", json.GetProperty("frostLine").GetProperty("stage").GetString());
        Assert.True(json.GetProperty("step").GetProperty("multiplyAdds").GetInt64() > 4 * 40_000_000L);
        Assert.Equal(JsonValueKind.Null, json.GetProperty("refusal").ValueKind);
        var tensors = json.GetProperty("tensors").EnumerateArray()
            .ToDictionary(tensor => tensor.GetProperty("name").GetString()!, StringComparer.Ordinal);
        Assert.Equal("frozen", tensors["bn1.running_mean"].GetProperty("state").GetString());
        Assert.Equal("loaded from backbone.safetensors, conv1.weight", tensors["conv1.weight"].GetProperty("origin").GetString());
        Assert.Equal("trained", tensors["linear.weight"].GetProperty("state").GetString());
        Assert.Equal([2L, 64L], tensors["linear.weight"].GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()));
    }

    [Fact]
    public void Each_phase_has_a_row_with_what_a_step_costs_in_it()
    {
        string[] rules = ["freeze=[{ freeze: \"** & !linear\" }, { unfreeze: [layer3], norm: hold }, { from-plateau: 1, train: layer2 }]", "train.plateau=1"];
        var run = CommandRun.Of("plan", _project.Recipe, "--set", rules[0], rules[1]);
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains(
            """
            phase            trained   frozen  frost line  multiply-adds   memory
            ---------------------------------------------------------------------
            from the start       130  269,072  head                162 M  2.92 MB
            after 1 epoch    203,650   65,552  layer3              266 M  5.33 MB
            after plateau 1  254,722   14,480  layer2              370 M  7.32 MB
            all else here is about the first phase

            """,
            run.Output,
            StringComparison.Ordinal);
        var json = CommandRun.Of("plan", _project.Recipe, "--json", "--set", rules[0], rules[1]).Json();
        var steps = json.GetProperty("phases").EnumerateArray().Select(phase => phase.GetProperty("step")).ToList();
        Assert.Equal(json.GetProperty("step").GetProperty("totalBytes").GetInt64(), steps[0].GetProperty("totalBytes").GetInt64());
        Assert.True(steps[2].GetProperty("totalBytes").GetInt64() > steps[1].GetProperty("totalBytes").GetInt64());
    }

    [Fact]
    public void Nothing_is_written()
    {
        var before = Directory.GetFileSystemEntries(_project.Folder);
        CommandRun.Of("plan", _project.Recipe);
        Assert.Equal(before, Directory.GetFileSystemEntries(_project.Folder));
    }

    [Fact]
    public void A_plan_that_training_would_refuse_is_shown_and_ends_with_exit_code_2()
    {
        var run = CommandRun.Of("plan", _project.Recipe, "--set", AllDrawn);
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        Assert.Contains("frost line: head", run.Output, StringComparison.Ordinal);
        Assert.Matches(
            @"\Afrostline: [^\n]*tiny\.yaml: train would refuse this: \d+ tensors would be frozen without having been loaded, " +
            @"the first conv1\.weight[^\n]*allow-random: true\n\z",
            run.Error);
        Assert.Equal(ExitCodes.Success, CommandRun.Of("plan", _project.Recipe, "--set", AllDrawn, "allow-random=true").ExitCode);
    }

    [Fact]
    public void Calibrated_statistics_count_as_known()
    {
        const string rules =
            """
            initialize=[
              { load: backbone.safetensors, into: "** & !linear" },
              { draw: "linear | (type:BatchNorm & **.running_*)", scheme: resnet },
              { calibrate-norm: "**", batches: 1 }]
            """;
        var run = CommandRun.Of("plan", _project.Recipe, "--json", "--set", rules);
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("calibrated over 1 batch", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Threads_and_sets_reach_the_recipe()
    {
        var run = CommandRun.Of("plan", _project.Recipe, "--json", "--threads", "1", "--set", "train.batch-size=2");
        Assert.Equal(2, run.Json().GetProperty("step").GetProperty("batchSize").GetInt32());
    }

    [Theory]
    [InlineData("--set takes KEY=VALUE", "plan", "--set", "a=1", "tiny.yaml")]
    [InlineData("did you mean \"tiny.yaml\"?", "plan", "tinny.yaml")]
    [InlineData("did you mean \"epochs\"?", "plan", "tiny.yaml", "--set", "train.epocs=3")]
    [InlineData("--threads takes a whole number from 1", "plan", "tiny.yaml", "--threads", "none")]
    public void A_mistake_is_one_line_that_helps(string expected, params string[] args)
    {
        var paths = args.Select(arg => arg.EndsWith(".yaml", StringComparison.Ordinal) ? _project.PathOf(arg) : arg);
        var run = CommandRun.Of([.. paths]);
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Matches(@"\Afrostline: [^\n]+\n\z", run.Error);
    }
}
