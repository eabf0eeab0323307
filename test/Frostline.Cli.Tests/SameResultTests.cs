using System.Runtime.InteropServices;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Cli.Commands;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using Frostline.Vision.Data;
using Xunit;

namespace Frostline.Cli.Tests;

/// <summary>
/// Real networks on real images, trained from stored features and as the network itself does it: the same training. With the network's own
/// stages as the engine bit for bit; with ONNX Runtime, which folds norms and adds in another order, within rounding.
/// </summary>
[Collection(LibTorchCollection.Name)]
public sealed class SameResultTests : IDisposable
{
    private const string Sgd = "train.optimizer={ name: sgd, learning-rate: 1e-3, momentum: 0.9 }";

    // Norms that train divide by what a batch happens to have, and a random network passes on what that makes of rounding: after 26 steps
    // 1e-7 has become 2e-2. Held ones show what the features themselves do.
    private const string Hold = "freeze.1={ train: layer4, norm: hold }";

    private const string AdamW = "train.optimizer={ name: adamw, learning-rate: 1e-3 }";

    private readonly TemporaryFolder _folder = new();
    private readonly SortedDictionary<string, float[]> _first = new(StringComparer.Ordinal);

    public static TheoryData<string> Cases => ["squeezenet", "resnet20", "resnet18"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Cases))]
    public void With_one_engine_stored_features_train_the_same_bits(string name)
    {
        var plain = Train(name, "plain", "prefix.engine=plain", "prefix.cache=off", Sgd);
        var stored = Train(name, "stored", "prefix.engine=plain", "prefix.cache=on", Sgd);
        AssertEngines(plain, "plain", stored, "plain");
        Assert.Equal(plain.Epochs.Select(epoch => epoch.Loss), stored.Epochs.Select(epoch => epoch.Loss));
        Assert.Equal(Weights("plain"), Weights("stored"));
        Assert.Equal(Predictions(name, "plain"), Predictions(name, "stored"));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Compiled_and_stored_features_train_the_same_within_rounding(string name)
    {
        var plain = Train(name, "plain", ["prefix.engine=plain", "prefix.cache=off", Sgd, .. Held(name)]);
        var stored = Train(name, "stored", ["prefix.engine=auto", "prefix.cache=on", Sgd, .. Held(name)]);
        AssertEngines(plain, "plain", stored, "onnxruntime");
        Assert.InRange(stored.Prefix.RelativeError!.Value, 0, 1e-5);
        Assert.InRange(Math.Abs(FirstLoss("stored") - FirstLoss("plain")) / FirstLoss("plain"), 0, 1e-5);
        Assert.InRange(DistanceOfChanges(), 0, 1e-3);
        Assert.Equal(Predictions(name, "plain"), Predictions(name, "stored"));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void AdamW_which_amplifies_rounding_still_predicts_the_same(string name)
    {
        var plain = Train(name, "plain", ["prefix.engine=plain", "prefix.cache=off", AdamW, .. Held(name)]);
        var stored = Train(name, "stored", ["prefix.engine=auto", "prefix.cache=on", AdamW, .. Held(name)]);
        AssertEngines(plain, "plain", stored, "onnxruntime");
        var (one, other) = (Predictions(name, "plain"), Predictions(name, "stored"));
        Assert.InRange((double)one.Zip(other).Count(pair => pair.First == pair.Second) / one.Count, 0.99, 1);
        var (expected, actual) = (plain.Epochs[^1].Metrics["loss"], stored.Epochs[^1].Metrics["loss"]);
        Assert.InRange(Math.Abs(actual - expected) / expected, 0, 0.01);
    }

    private static void AssertEngines(RunSummary plain, string plainEngine, RunSummary stored, string storedEngine)
    {
        Assert.Equal((plainEngine, false), (plain.Prefix.Engine, plain.Prefix.Cache!.Used));
        Assert.Equal((storedEngine, true), (stored.Prefix.Engine, stored.Prefix.Cache!.Used));
        var samples = stored.Data.Train + stored.Data.Validate;
        Assert.Equal((samples, 0L), (stored.Epochs[0].PrefixRows, stored.Epochs[0].StoredRows));
        Assert.All(stored.Epochs.Skip(1), epoch => Assert.Equal((0L, samples), (epoch.PrefixRows, epoch.StoredRows)));
        Assert.Equal(0, stored.Audit.Moved);
    }

    private static string[] Held(string name) => name == "resnet18" ? [Hold] : [];

    private RunSummary Train(string name, string folder, params string[] sets)
    {
        var recipe = Recipe.Parse(TextOf(name), "test.yaml", Fixtures.Repository, Registries.Create(), [$"prefix.location={_folder.PathOf("features")}", .. sets]);
        return new TrainJob(recipe, new TrainJobOptions { Output = _folder.PathOf(folder) }, new FirstValues(_first)).Run().Summary;
    }

    private static string TextOf(string name)
    {
        var (model, load, frozen, transform, data, validate) = name switch
        {
            "squeezenet" => ("squeezenet1_0", Load("data/squeezenet1_0/squeezenet1_0.safetensors", "features.**"), "features.**",
                "[{ resize: 256 }, { center-crop: 227 }, { channel-order: bgr }, { normalize: { mean: [104, 117, 123] } }]",
                Fixtures.PathOf("data/hymenoptera/train"), Fixtures.PathOf("data/hymenoptera/val")),
            "resnet20" => ("cifar-resnet20", Load("data/resnet20-cifar10/resnet20-12fca82f.th", "** & !linear.**", "    strip-prefix: module."), "** & !linear.**",
                "[{ scale: 255 }, { normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } }]",
                Fixtures.PathOf("data/cifar10-sample/train"), Fixtures.PathOf("data/cifar10-sample/test")),
            _ => ("resnet18", "", "** & !layer4.** & !fc.**",
                "[{ resize: 64 }, { scale: 255 }, { normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } }]",
                Fixtures.PathOf("data/cifar10-sample/train"), Fixtures.PathOf("data/cifar10-sample/test")),
        };
        return $$"""
            version: 1
            seed: 1
            threads: 2
            model: {{model}}
            initialize:
              - draw: "**"
                scheme: pytorch
            {{load}}
            allow-random: true
            freeze:
              - freeze: "{{frozen}}"
            data:
              train: { name: image-folder, path: {{data}}, samples-per-class: 32 }
              validate: { name: image-folder, path: {{validate}}, samples-per-class: {{(name == "squeezenet" ? 60 : 10)}} }
              transform: {{transform}}
            train:
              epochs: 2
              batch-size: 32
            metrics: [accuracy]
            """;
    }

    private static string Load(string file, string into, string more = "") =>
        $"  - load: {Fixtures.PathOf(file)}\n    into: \"{into}\"{(more.Length > 0 ? "\n" + more : "")}";

    /// <summary>What the model says of each picture that was validated on.</summary>
    private List<string> Predictions(string name, string folder)
    {
        var recipe = Recipe.Parse(TextOf(name), "test.yaml", Fixtures.Repository, Registries.Create());
        var data = TrainingData.Open(recipe);
        var files = Enumerable.Range(0, data.Validate!.Count).Select(data.Validate.SourceOf);
        using var model = LoadedModel.Open(new RunFolder(_folder.PathOf(folder)).Model, Registries.Create(), threads: 2);
        var job = new PredictJob(model);
        return [.. job.Run(ImageDataset.Unlabelled(files)).Predictions.Select(prediction => prediction.Classes[0].Name)];
    }

    private double FirstLoss(string folder)
    {
        using var line = JsonDocument.Parse(File.ReadLines(new RunFolder(_folder.PathOf(folder)).Metrics).First());
        return line.RootElement.GetProperty("loss").GetDouble();
    }

    /// <summary>How far what training added to the weights is from what it added in the other run, relative to its size.</summary>
    private double DistanceOfChanges()
    {
        var (plain, stored) = (Weights("plain"), Weights("stored"));
        float[] first = [.. _first.Values.SelectMany(values => values)];
        double difference = 0, size = 0;
        for (var i = 0; i < first.Length; i++)
        {
            difference += Math.Pow(stored[i] - plain[i], 2);
            size += Math.Pow(plain[i] - first[i], 2);
        }

        return Math.Sqrt(difference / size);
    }

    /// <summary>The trained parameters after the last epoch, one behind the other.</summary>
    private float[] Weights(string folder)
    {
        using var last = Checkpoint.Open(new RunFolder(_folder.PathOf(folder)).Last);
        return [.. _first.Keys.SelectMany(name => MemoryMarshal.Cast<byte, float>(last.Read($"model.{name}")).ToArray())];
    }

    /// <summary>Keeps the first values of what is trained.</summary>
    private sealed class FirstValues(SortedDictionary<string, float[]> values) : ITrainingObserver
    {
        public void Prepared(FrozenModel frozen, InitializationReport initialization)
        {
            foreach (var (name, parameter) in frozen.Network.named_parameters().Where(pair => pair.parameter.requires_grad))
                values[name] = [.. MemoryMarshal.Cast<byte, float>(TensorBytes.Read(parameter))];
        }
    }
}
