using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.OnnxRuntime;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

[Collection(LibTorchCollection.Name)]
public sealed class ExportCommandTests : IDisposable
{
    private readonly TinyProject _project = new();

    public void Dispose() => _project.Dispose();

    [Fact]
    public void A_trained_network_is_written_checked_and_says_what_it_is()
    {
        Assert.Equal(ExitCodes.Success, CommandRun.Of("train", _project.Recipe, "--output", _project.Run).ExitCode);
        var onnx = _project.PathOf("tiny.onnx");
        var run = CommandRun.Of("export", _project.Recipe, "--checkpoint", _project.Model, "--onnx", onnx, "--dynamic-batch", "--json");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        using var result = JsonDocument.Parse(run.Output);
        Assert.InRange(result.RootElement.GetProperty("relativeError").GetDouble(), 0, 1e-5);
        Assert.Equal(4, result.RootElement.GetProperty("samples").GetInt32());
        Assert.Equal("[-1,3,32,32]", Compact(result.RootElement.GetProperty("inputs").GetProperty("image")));
        Assert.Equal("[-1,2]", Compact(result.RootElement.GetProperty("outputs").GetProperty("logits")));

        using var session = OnnxSession.Open(File.ReadAllBytes(onnx), 1);
        var metadata = session.ModelMetadata.CustomMetadataMap;
        Assert.Contains("\"blue\",\"red\"", metadata["frostline.classes"], StringComparison.Ordinal);
        Assert.Contains("resize", metadata["frostline.transform"], StringComparison.Ordinal);
        using var scope = torch.NewDisposeScope();
        var logits = OnnxSession.Run(session, new Dictionary<string, torch.Tensor> { ["image"] = torch.zeros(7, 3, 32, 32) })["logits"];
        Assert.Equal([7, 2], logits.shape);
    }

    [Fact]
    public void The_text_names_tensors_and_the_error()
    {
        var onnx = _project.PathOf("tiny.onnx");
        var run = CommandRun.Of(
            "export", _project.Recipe, "--checkpoint", _project.PathOf("backbone.safetensors"), "--onnx", onnx, "--opset", "18", "--batch", "3",
            "--set", "model={ name: cifar-resnet20, classes: 10 }");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("operator set 18", run.Output, StringComparison.Ordinal);
        Assert.Contains("[3, 3, 32, 32]", run.Output, StringComparison.Ordinal);
        Assert.Contains("[3, 10]", run.Output, StringComparison.Ordinal);
        Assert.Contains("checked in ONNX Runtime on 3 samples: relative error ", run.Output, StringComparison.Ordinal);
        // The folded convolutions are in the file, the norms are not.
        using var checkpoint = Checkpoint.Open(onnx);
        Assert.DoesNotContain(checkpoint.Tensors, tensor => tensor.Name.Contains("running", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("16", "operator set 16 is not written")]
    [InlineData("99", "choose 17 to 23")]
    public void An_operator_set_that_is_not_written_is_refused(string opset, string problem)
    {
        var onnx = _project.PathOf("tiny.onnx");
        var run = CommandRun.Of(
            "export", _project.Recipe, "--checkpoint", _project.PathOf("backbone.safetensors"), "--onnx", onnx, "--opset", opset,
            "--set", "model={ name: cifar-resnet20, classes: 10 }");
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        Assert.Contains(problem, run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(onnx));
    }

    [Fact]
    public void A_checkpoint_of_another_network_is_refused_and_nothing_is_written()
    {
        var onnx = _project.PathOf("tiny.onnx");
        var run = CommandRun.Of("export", _project.Recipe, "--checkpoint", _project.PathOf("backbone.safetensors"), "--onnx", onnx);
        Assert.Equal(ExitCodes.BadInput, run.ExitCode);
        Assert.Contains("linear", run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(onnx));
    }

    private static string Compact(JsonElement element) => element.GetRawText().Replace(" ", "", StringComparison.Ordinal).ReplaceLineEndings("");
}
