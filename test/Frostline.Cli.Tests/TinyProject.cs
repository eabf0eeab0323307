using Frostline.Cli.Commands;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Runs;
using Frostline.Vision.Networks;

namespace Frostline.Cli.Tests;

/// <summary>
/// A folder with two classes of small pictures, weights for a small network, and a recipe that trains its head in a second.
/// </summary>
internal sealed class TinyProject : IDisposable
{
    /// <summary>The recipe; a test may write another one over it.</summary>
    public const string RecipeText =
        """
        version: 1
        seed: 7
        threads: 1
        model: cifar-resnet20
        initialize:
          - draw: "linear"
            scheme: resnet
          - load: backbone.safetensors
            into: "** & !linear"
        freeze:
          - freeze: "** & !linear"
        data:
          train: { name: image-folder, path: train }
          validate: { name: image-folder, path: val }
          transform:
            - resize: 32
          workers: 1
        train:
          epochs: 2
          batch-size: 4
          optimizer: { name: sgd, learning-rate: 0.01, momentum: 0.9 }
        """;

    private readonly TemporaryFolder _folder = new();

    public TinyProject()
    {
        for (var i = 0; i < 6; i++)
        {
            var shade = (byte)(40 * (i + 1));
            var part = i < 4 ? "train" : "val";
            Bitmap.Write(PathOf($"{part}/red/{i}.bmp"), 32, shade, 10, 10);
            Bitmap.Write(PathOf($"{part}/blue/{i}.bmp"), 32, 10, 10, shade);
        }

        using var network = new CifarResNet(20, classes: 10);
        new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(network, seed: 3);
        ModelFile.Save(network, PathOf("backbone.safetensors"));
        File.WriteAllText(Recipe, RecipeText);
    }

    public string Folder => _folder.Path;

    public string Recipe => PathOf("tiny.yaml");

    public string Run => PathOf("run");

    public string Model => Path.Combine(Run, "model.safetensors");

    /// <summary>Trains the recipe into a folder, or goes on with what is there.</summary>
    public TrainResult Train(string folder, params string[] sets) => Train(folder, sets, null, default);

    /// <inheritdoc cref="Train(string, string[])"/>
    public TrainResult Train(string folder, string[] sets, ITrainingObserver? observer, CancellationToken cancellation)
    {
        var recipe = Training.Recipes.Recipe.Load(Recipe, Registries.Create(), sets);
        return new TrainJob(recipe, new TrainJobOptions { Output = PathOf(folder), Resume = true }, observer).Run(cancellation);
    }

    /// <summary>The model that a training has left in a folder.</summary>
    public byte[] ModelIn(string folder) => File.ReadAllBytes(new RunFolder(PathOf(folder)).Model);

    public string PathOf(string relative) => _folder.PathOf(relative);

    public void Dispose() => _folder.Dispose();
}

/// <summary>Stops a training after its first batch.</summary>
internal sealed class CancelAfterFirstBatch(CancellationTokenSource source) : ITrainingObserver
{
    public void Progress(TrainingProgress progress) => source.Cancel();
}
