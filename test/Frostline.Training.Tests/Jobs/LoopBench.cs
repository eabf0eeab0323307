using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Losses;
using Frostline.Training.Metrics;
using Frostline.Training.Registration;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Tests.Jobs;

/// <summary>A training of points in a temporary folder, put together in code.</summary>
internal sealed class LoopBench : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("frostline-loop-").FullName;

    public OptimizerSettings Optimizer { get; set; } = Optimizers.Sgd(0.1, momentum: 0.9, weightDecay: 1e-3);

    public LoopSettings Settings { get; set; } = new() { Epochs = 4, Seed = 3, Best = "accuracy" };

    public PointsOptions Data { get; set; } = new();

    public SmallOptions Network { get; set; } = new();

    public int BatchSize { get; set; } = 8;

    public bool Validates { get; set; } = true;

    public double? Ema { get; set; }

    public torch.ScalarType Type { get; set; } = torch.float32;

    public ITrainingObserver Observer { get; set; } = new Silent();

    public FreezePlan Plan { get; set; } = new();

    public ParameterGroups? Groups { get; set; }

    public RunFolder Folder => new(Path.Combine(_folder, "run"));

    public TrainingState? State { get; private set; }

    /// <summary>Trains from the beginning or, where there is a checkpoint, from it.</summary>
    public RunEnd Run(CancellationToken cancellation = default)
    {
        var resumes = Folder.Open(resume: true);
        using var checkpoint = resumes ? TrainingCheckpoint.Open(Folder.Last) : null;
        using var generator = torch.manual_seed(5);
        using var network = new SmallNetwork(Network, new Points(Data).Classes.Names.Count);
        network.to(Type);
        checkpoint?.RestoreModel(network);
        using var frozen = Plan.Apply(network, allowRandom: true);
        if (checkpoint is not null) TrainingPhases.Resume([(Plan, 0, PlanHistory.LastBegun(checkpoint.State))], frozen, checkpoint);
        using var optimizer = frozen.Optimizer(Optimizer, Groups);
        using var average = Ema is { } decay ? new ExponentialAverage(TrainingPhases.Changing(frozen), decay) : null;
        using var loader = Loader(Data, SamplingMode.Shuffled);
        using var validation = Loader(new PointsOptions { Count = 30, Draw = 9, MultiLabel = Data.MultiLabel }, SamplingMode.Sequential);
        using var metrics = new MetricsLog(Folder.Metrics, checkpoint?.State.MetricsLength ?? 0);
        var runner = new NetworkRunner(network);
        var loss = new CrossEntropyLoss(new CrossEntropyOptions(), new BuildContext { Folder = "." });
        var parts = new TrainingParts
        {
            Runner = runner,
            Frozen = frozen,
            Plan = Plan,
            Optimizer = optimizer,
            Loss = loss,
            Loader = loader,
            Evaluator = Validates ? new Evaluator(runner, validation, loss, [new TopKMetric(new TopKOptions { K = 1 })], torch.CPU) : null,
            Average = average,
            Folder = Folder,
            Metrics = metrics,
            Observer = Observer,
            SaveModel = path => ModelFile.Save(network, path),
        };
        if (checkpoint is not null) TrainingTensors.Restore(parts, checkpoint);
        var loop = new TrainingLoop(parts, Settings with { Classes = 3 }, checkpoint?.State ?? new TrainingState());
        try
        {
            return loop.Run(cancellation);
        }
        finally
        {
            State = loop.State;
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private BatchLoader Loader(PointsOptions data, SamplingMode sampling) =>
        new(new Points(data), new BatchLoaderOptions { BatchSize = BatchSize, Seed = Settings.Seed, Sampling = sampling });

    private sealed class Silent : ITrainingObserver;
}

/// <summary>Cancels a training after a number of batches.</summary>
internal sealed class CancelAfter(int batches) : ITrainingObserver, IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private int _done;

    public CancellationToken Token => _source.Token;

    public void Progress(TrainingProgress progress)
    {
        if (++_done == batches) _source.Cancel();
    }

    public void Dispose() => _source.Dispose();
}
