using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using Xunit;

namespace Frostline.Cli.Tests;

/// <summary>Trainings whose frozen part is computed by each of the engines.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class PrefixTrainingTests : IDisposable
{
    private readonly TinyProject _project = new();

    public void Dispose() => _project.Dispose();

    [Theory]
    [InlineData("libtorch", "libtorch")]
    [InlineData("onnxruntime", "onnxruntime")]
    [InlineData("auto", "onnxruntime")]
    public void An_engine_trains_what_the_network_itself_trains(string name, string engine)
    {
        var plain = _project.Train("plain", "prefix.engine=plain").Summary;
        var other = _project.Train("other", $"prefix.engine={name}").Summary;
        Assert.Equal(("plain", 0d), (plain.Prefix.Engine, plain.Prefix.RelativeError!.Value));
        Assert.Equal(engine, other.Prefix.Engine);
        Assert.Equal(["stem", "layer1", "layer2", "layer3", "pool"], other.Prefix.Stages);
        Assert.InRange(other.Prefix.RelativeError!.Value, 1e-9, 1e-5);
        Assert.Equal(0, other.Audit.Moved);
        for (var epoch = 0; epoch < 2; epoch++) Assert.Equal(plain.Epochs[epoch].Loss, other.Epochs[epoch].Loss, 1e-5 * plain.Epochs[epoch].Loss);
        Assert.InRange(ChangeOfWeights(), 0, 1e-3);
    }

    [Fact]
    public void Libtorch_and_ONNX_Runtime_resume_to_the_same_bits()
    {
        foreach (var engine in new[] { "libtorch", "onnxruntime" })
        {
            _project.Train($"{engine}-straight", $"prefix.engine={engine}");
            var folder = $"{engine}-broken";
            using (var source = new CancellationTokenSource())
            {
                var cancelled = _project.Train(folder, [$"prefix.engine={engine}"], new CancelAfterFirstBatch(source), source.Token);
                Assert.False(cancelled.IsComplete);
            }

            Assert.True(_project.Train(folder, $"prefix.engine={engine}").IsComplete);
            Assert.Equal(_project.ModelIn($"{engine}-straight"), _project.ModelIn(folder));
        }
    }

    [Fact]
    public void The_prefix_is_cut_anew_when_the_plan_changes()
    {
        File.WriteAllText(_project.Recipe, TinyProject.RecipeText.Replace(
            "  - freeze: \"** & !linear\"", "  - freeze: \"** & !linear\"\n  - { from-epoch: 1, train: layer3, norm: hold }", StringComparison.Ordinal));
        var summary = _project.Train("run").Summary;
        Assert.Equal(["stem", "layer1", "layer2"], summary.Prefix.Stages);
        Assert.Equal(0, summary.Audit.Moved);
        var log = File.ReadAllText(new RunFolder(_project.PathOf("run")).Log);
        Assert.Contains("stem, layer1, layer2, layer3, pool computed by onnxruntime", log, StringComparison.Ordinal);
        Assert.Contains("stem, layer1, layer2 computed by onnxruntime", log, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nothing_is_frozen_at_the_bottom_the_summary_says_so()
    {
        File.WriteAllText(_project.Recipe, TinyProject.RecipeText.Replace("  - freeze: \"** & !linear\"", "  - freeze: layer1", StringComparison.Ordinal));
        var summary = _project.Train("run").Summary;
        Assert.Null(summary.Prefix.Engine);
        Assert.Contains("stem", summary.Prefix.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void An_engine_that_there_is_not_is_named_with_its_place()
    {
        var error = Assert.Throws<RecipeException>(() => _project.Train("run", "prefix.engine=onnxruntim"));
        Assert.Contains("onnxruntime", error.Message, StringComparison.Ordinal);
    }

    /// <summary>The distance of the trained weights of two runs, relative to their size.</summary>
    private double ChangeOfWeights()
    {
        using Checkpoint one = Checkpoint.Open(Last("plain")), other = Checkpoint.Open(Last("other"));
        double difference = 0, size = 0;
        foreach (var name in new[] { "model.linear.weight", "model.linear.bias" })
        {
            var (a, b) = (Numbers(one.Read(name)), Numbers(other.Read(name)));
            for (var i = 0; i < a.Length; i++)
            {
                difference += Math.Pow(a[i] - b[i], 2);
                size += Math.Pow(a[i], 2);
            }
        }

        return Math.Sqrt(difference / size);
    }

    private string Last(string folder) => new RunFolder(_project.PathOf(folder)).Last;

    private static float[] Numbers(byte[] bytes) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray();
}
