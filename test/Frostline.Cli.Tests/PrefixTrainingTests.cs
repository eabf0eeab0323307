using Frostline.Checkpoints;
using Frostline.Cli.Commands;
using Frostline.Testing;
using Frostline.Training.Jobs;
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
        var plain = Train("plain", "prefix.engine=plain").Summary;
        var other = Train("other", $"prefix.engine={name}").Summary;
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
            Train($"{engine}-straight", $"prefix.engine={engine}");
            var folder = $"{engine}-broken";
            using (var source = new CancellationTokenSource())
            {
                var cancelled = Go(folder, [$"prefix.engine={engine}"], new CancelAfterFirstBatch(source), source.Token);
                Assert.False(cancelled.IsComplete);
            }

            Assert.True(Train(folder, $"prefix.engine={engine}").IsComplete);
            Assert.Equal(File.ReadAllBytes(Model($"{engine}-straight")), File.ReadAllBytes(Model(folder)));
        }
    }

    [Fact]
    public void The_prefix_is_cut_anew_when_the_plan_changes()
    {
        File.WriteAllText(_project.Recipe, TinyProject.RecipeText.Replace(
            "  - freeze: \"** & !linear\"", "  - freeze: \"** & !linear\"\n  - { from-epoch: 1, train: layer3, norm: hold }", StringComparison.Ordinal));
        var summary = Train("run").Summary;
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
        var summary = Train("run").Summary;
        Assert.Null(summary.Prefix.Engine);
        Assert.Contains("stem", summary.Prefix.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void An_engine_that_there_is_not_is_named_with_its_place()
    {
        var error = Assert.Throws<RecipeException>(() => Train("run", "prefix.engine=onnxruntim"));
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

    private string Model(string folder) => new RunFolder(_project.PathOf(folder)).Model;

    private string Last(string folder) => new RunFolder(_project.PathOf(folder)).Last;

    private TrainResult Train(string folder, params string[] sets) => Go(folder, sets, null, default);

    private TrainResult Go(string folder, string[] sets, ITrainingObserver? observer, CancellationToken cancellation)
    {
        var recipe = Recipe.Load(_project.Recipe, Registries.Create(), sets);
        return new TrainJob(recipe, new TrainJobOptions { Output = _project.PathOf(folder), Resume = true }, observer).Run(cancellation);
    }

    private static float[] Numbers(byte[] bytes) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray();

    private sealed class CancelAfterFirstBatch(CancellationTokenSource source) : ITrainingObserver
    {
        public void Progress(TrainingProgress progress) => source.Cancel();
    }
}
