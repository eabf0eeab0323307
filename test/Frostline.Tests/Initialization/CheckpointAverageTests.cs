using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class CheckpointAverageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Real_numbers_are_averaged_in_float64_and_rounded_once_and_others_are_the_last()
    {
        using var a = Make("a", [1, 1 + (1f / (1 << 23)), 4], count: 3, ("same", "yes"), ("epoch", "1"));
        using var b = Make("b", [2, 1, 8], count: 5, ("same", "yes"), ("epoch", "2"));
        using var c = Make("c", [6, 1, 0], count: 9, ("same", "yes"));
        var report = CheckpointAverage.Write(_folder.PathOf("soup.safetensors"), [a, b, c], [1, 1, 2]);
        using var soup = Checkpoint.Open(_folder.PathOf("soup.safetensors"));
        // A quarter of a unit in the last place is not lost on the way, and rounds to the nearest, which is even.
        Assert.Equal([(1 + 2 + 12) / 4f, 1f, 3f], MemoryMarshal.Cast<byte, float>(soup.Read("w")).ToArray());
        Assert.Equal(9, BitConverter.ToInt64(soup.Read("n")));
        Assert.Equal(["w", "n"], soup.Tensors.Select(tensor => tensor.Name));
        Assert.Equal("yes", soup.Metadata["same"]);
        Assert.False(soup.Metadata.ContainsKey("epoch"));
        Assert.Equal(["w"], report.Averaged);
        Assert.Equal(["n"], report.Copied);
        Assert.Equal(["epoch"], report.LeftOut);
        Assert.Equal([0.25, 0.25, 0.5], report.Files.Select(file => file.Weight));
        Assert.Equal(c.ContentHash(), report.Files[2].Hash);
    }

    [Fact]
    public void The_average_knows_its_files_and_their_doubts()
    {
        using var layer = torch.nn.Linear(2, 2);
        var drawn = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(layer, seed: 1);
        ModelFile.Save(layer, _folder.PathOf("a.safetensors"), provenance: drawn.WithTrained(["weight"]));
        ModelFile.Save(layer, _folder.PathOf("b.safetensors"), provenance: drawn.WithTrained(["weight"]));
        using (var a = Checkpoint.Open(_folder.PathOf("a.safetensors")))
        using (var b = Checkpoint.Open(_folder.PathOf("b.safetensors")))
            CheckpointAverage.Write(_folder.PathOf("soup.safetensors"), [a, b]);

        var report = ModelFile.Load(layer, _folder.PathOf("soup.safetensors"));
        var soup = report.Loads[0].Parent!;
        Assert.Equal(["a.safetensors", "b.safetensors"], Assert.IsType<Origin.Averaged>(soup.Find("bias")!.Origin).Files.Select(file => file.File));
        Assert.Null(report.DoubtOf("weight"));
        Assert.StartsWith(
            "loaded from soup.safetensors, where it was averaged from a.safetensors, where it was drawn by fan-in-bias",
            report.DoubtOf("bias"),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Files_that_do_not_fit_are_refused_and_nothing_is_written()
    {
        using var a = Make("a", [1, 2], count: 1);
        using var longer = Make("longer", [1, 2, 3], count: 1);
        SafetensorsWriter.Write(_folder.PathOf("other.safetensors"), [TensorSource.From(new TensorInfo("w", TensorType.Float32, [2]), new byte[8])]);
        using var other = Checkpoint.Open(_folder.PathOf("other.safetensors"));
        var path = _folder.PathOf("soup.pth");
        Assert.Contains("\"w\" is Float32 [3], and Float32 [2]", Refusal(a, longer), StringComparison.Ordinal);
        Assert.Contains("\"n\" of", Refusal(a, other), StringComparison.Ordinal);
        Assert.Contains("\"n\" is not in", Refusal(other, a), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => CheckpointAverage.Write(path, [a]));
        Assert.Throws<ArgumentException>(() => CheckpointAverage.Write(path, [a, a], [1]));
        Assert.Throws<ArgumentException>(() => CheckpointAverage.Write(path, [a, a], [1, 0]));
        Assert.False(File.Exists(path));

        string Refusal(params Checkpoint[] files)
        {
            var message = Assert.Throws<CheckpointException>(() => CheckpointAverage.Write(path, files)).Message;
            Assert.EndsWith("only checkpoints of one network can be averaged", message, StringComparison.Ordinal);
            return message;
        }
    }

    private Checkpoint Make(string name, float[] values, long count, params (string Key, string Value)[] metadata)
    {
        var path = _folder.PathOf(name + ".safetensors");
        SafetensorsWriter.Write(
            path,
            [
                TensorSource.From(new TensorInfo("w", TensorType.Float32, [values.Length]), MemoryMarshal.AsBytes(values.AsSpan()).ToArray()),
                TensorSource.From(new TensorInfo("n", TensorType.Int64, []), BitConverter.GetBytes(count)),
            ],
            metadata.ToDictionary(entry => entry.Key, entry => entry.Value, StringComparer.Ordinal));
        return Checkpoint.Open(path);
    }
}
