using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Initialization;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

[Collection(LibTorchCollection.Name)]
public sealed class ProvenanceCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ProvenanceCommandTests()
    {
        using var layer = torch.nn.Linear(2, 3);
        var drawn = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(layer, seed: 7);
        ModelFile.Save(layer, _folder.PathOf("first.safetensors"), provenance: drawn.WithTrained(["weight"]));
        using (var first = Checkpoint.Open(_folder.PathOf("first.safetensors")))
        {
            var loaded = new InitializationPlan().Load("**", first).Set("bias", 0).Apply(layer, seed: 8);
            ModelFile.Save(layer, _folder.PathOf("second.safetensors"), provenance: loaded);
        }

        ModelFile.Save(layer, _folder.PathOf("third.safetensors"), provenance: ModelFile.Load(layer, _folder.PathOf("second.safetensors")));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_generations_are_printed_one_within_the_other()
    {
        var run = CommandRun.Of("provenance", _folder.PathOf("third.safetensors"));
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Equal("third.safetensors: 2 tensors: 2 loaded", lines[0]);
        Assert.StartsWith("  from second.safetensors: 2 of 2 tensors loaded, content ", lines[1], StringComparison.Ordinal);
        Assert.Equal("    second.safetensors: 2 tensors: 1 loaded, 1 set", lines[2]);
        Assert.Matches(@"\A      from first\.safetensors: 1 of 1 tensors loaded[^\n]*, content [0-9a-f]{32}\z", lines[3]);
        Assert.Equal("        first.safetensors: 2 tensors: 2 drawn, seed 7, 1 trained since", lines[4]);
        Assert.Equal("", lines[5]);
        Assert.Equal(
            ModelFile.ProvenanceOf(Checkpoint.Open(File.ReadAllBytes(_folder.PathOf("third.safetensors")), "third"))!.ToJson() + "\n",
            CommandRun.Of("provenance", _folder.PathOf("third.safetensors"), "--json").Output);
    }

    [Fact]
    public void A_tensor_is_followed_to_where_it_began()
    {
        var run = CommandRun.Of("provenance", _folder.PathOf("third.safetensors"), "--tensor", "weight");
        Assert.Equal(
            """
            third.safetensors, weight: loaded from second.safetensors, weight
            second.safetensors, weight: loaded from first.safetensors, weight
            first.safetensors, weight: drawn by kaiming-uniform(fan: in, nonlinearity: leaky-relu, slope: 2.23606797749979), seed 7; trained since

            """,
            run.Output);
        var json = CommandRun.Of("provenance", _folder.PathOf("second.safetensors"), "--tensor", "bias", "--json").Json();
        Assert.Equal("set to 0", json[0].GetProperty("origin").GetString());
        Assert.Equal(1, json.GetArrayLength());
    }

    [Fact]
    public void What_is_not_known_is_said()
    {
        var wrong = CommandRun.Of("provenance", _folder.PathOf("third.safetensors"), "--tensor", "weigth");
        Assert.Equal(ExitCodes.BadInput, wrong.ExitCode);
        Assert.Contains("third.safetensors: there is no tensor \"weigth\"; did you mean \"weight\"?", wrong.Error, StringComparison.Ordinal);

        var plain = _folder.PathOf("plain.safetensors");
        SafetensorsWriter.Write(plain, [TensorSource.From(new TensorInfo("w", TensorType.UInt8, [1]), new byte[1])]);
        var silent = CommandRun.Of("provenance", plain);
        Assert.Equal(ExitCodes.BadInput, silent.ExitCode);
        Assert.Contains("says nothing of where its values came from", silent.Error, StringComparison.Ordinal);

        using var layer = torch.nn.Linear(1, 1, hasBias: false);
        SafetensorsWriter.Write(plain, [TensorSource.From(new TensorInfo("weight", TensorType.Float32, [1, 1]), new byte[4])]);
        ModelFile.Save(layer, _folder.PathOf("child.safetensors"), provenance: ModelFile.Load(layer, plain));
        Assert.EndsWith(
            "plain.safetensors, weight: the file does not say where its values came from\n",
            CommandRun.Of("provenance", _folder.PathOf("child.safetensors"), "--tensor", "weight").Output,
            StringComparison.Ordinal);
    }
}
