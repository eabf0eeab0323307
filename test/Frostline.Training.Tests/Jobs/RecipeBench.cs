using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Training.Runs;

namespace Frostline.Training.Tests.Jobs;

/// <summary>Trainings of recipes about points, in a temporary folder.</summary>
internal sealed class RecipeBench : IDisposable
{
    public const string Text =
        """
        version: 1
        seed: 11
        threads: 1
        model: small
        initialize:
          - draw: "**"
            scheme: pytorch
        allow-random: true
        freeze:
          - freeze: "body | norm"
        data:
          train: { name: points, count: 48 }
          validate: { name: points, count: 30, draw: 9 }
        train:
          epochs: 4
          batch-size: 8
          optimizer: { name: sgd, learning-rate: 0.1, momentum: 0.9, weight-decay: 1e-3 }
          checkpoint-every: 2
        """;

    private readonly TemporaryFolder _temporary = new();

    public static Registry Registry { get; } = new Registry().Add(new TrainingExtension()).Add(new PointsExtension()).Add(new FaultyExtension()).Add(new Sweeps.StagedPointsExtension());

    public string PathOf(string name) => _temporary.PathOf(name);

    public RunFolder Folder(string name = "run") => new(PathOf(name));

    public Recipe Parse(string text = Text, params string[] sets) => Recipe.Parse(text, "recipe.yaml", _temporary.Path, Registry, sets);

    public TrainResult Train(
        Recipe recipe, string folder = "run", bool resume = false, ITrainingObserver? observer = null, CancellationToken cancellation = default) =>
        new TrainJob(recipe, new TrainJobOptions { Output = PathOf(folder), Resume = resume }, observer).Run(cancellation);

    public TrainResult Train(params string[] sets) => Train(Parse(Text, sets));

    public void Dispose() => _temporary.Dispose();
}
