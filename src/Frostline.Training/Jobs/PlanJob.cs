using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Optimization;
using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>Finds out what a recipe would do, without training and without changing a value.</summary>
public sealed class PlanJob
{
    // Samples that are tried before their shape counts as unknown; the first ones may be unreadable.
    private const int SamplesToTry = 10;

    private readonly Recipe _recipe;

    /// <summary>Prepares the job; nothing is touched.</summary>
    /// <param name="recipe">The recipe.</param>
    public PlanJob(Recipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        _recipe = recipe;
    }

    /// <summary>
    /// Opens the data, builds the network, resolves every rule, checks every checkpoint to its end, and reads one sample for its
    /// shape.
    /// </summary>
    /// <param name="threads">How many threads; null for the recipe's number.</param>
    /// <exception cref="FrostlineException">
    /// Something in the recipe, the data or a checkpoint is wrong. That something frozen was never loaded is in the report
    /// instead.
    /// </exception>
    public PlanReport Run(int? threads = null)
    {
        var bench = Workbench.Open(_recipe, threads);
        var data = bench.OpenData();
        using var network = bench.CreateNetwork(data);
        var origins = RecipeInitialization.PreviewAdapted(_recipe, network, bench.PreviewInitialization(network));
        var phases = bench.PreviewPlan(network, origins);
        var freeze = phases[0].Status;
        var (cost, inputs, unknown) = CostOf(network, data);
        var steps = phases.Select(phase => cost is null ? null : StepOf(cost, inputs, phase.Status, data)).ToList();
        return new PlanReport(freeze, origins)
        {
            Name = _recipe.Name,
            Model = new ModelSummary(_recipe.Model.Name, freeze.Parameters, freeze.TrainedParameters, freeze.FrozenParameters),
            Data = new DataSummary(data.Train.Count, data.Validate?.Count ?? 0, data.Classes?.Names ?? []),
            Initialization = Summaries.Of(origins),
            FrostLine = new FrostLineSummary(freeze.FrostLine),
            Phases = [.. phases.Select((phase, i) => new PlannedPhaseSummary(
                phase.Epoch + 1, phase.Plateaus, phase.Status.TrainedParameters, phase.Status.FrozenParameters, phase.Status.FrostLine)
            {
                Step = steps[i],
            })],
            Stages = StagesOf(freeze, cost),
            Step = steps[0],
            StepUnknown = unknown,
            Tensors = TensorsOf(freeze, origins),
            Warnings = [.. origins.Warnings, .. freeze.Warnings],
            Refusal = _recipe.AllowRandom ? null : RefusalOf([.. phases.SelectMany(phase => phase.Status.Doubts).DistinctBy(doubt => doubt.Name)]),
        };
    }

    private (NetworkCost? Cost, Dictionary<string, IReadOnlyList<long>> Inputs, string? Unknown) CostOf(
        torch.nn.Module network, TrainingData data)
    {
        var inputs = new Dictionary<string, IReadOnlyList<long>>(StringComparer.Ordinal);
        if (network is not IStagedNetwork staged) return (null, inputs, $"{_recipe.Model.Name} does not show its stages");
        try
        {
            var fields = FieldShapes(data);
            foreach (var name in staged.Inputs)
            {
                if (!fields.TryGetValue(name, out var shape))
                    return (null, inputs, $"the data has no field \"{name}\", which the network reads");
                inputs[name] = [_recipe.Train.BatchSize, .. shape];
            }

            network.train();
            return (NetworkCost.Of(staged, inputs), inputs, null);
        }
        catch (FrostlineException error)
        {
            return (null, inputs, error.Message);
        }
    }

    /// <summary>The shapes of a training sample's fields, without the batch dimension.</summary>
    private Dictionary<string, IReadOnlyList<long>> FieldShapes(TrainingData data)
    {
        for (var index = 0; ; index++)
        {
            try
            {
                var sample = data.Train.Read(index);
                var random = new CounterRandom(_recipe.Seed, "plan");
                foreach (var transform in data.TrainTransform) transform.Apply(sample, random);
                return sample.Fields.ToDictionary(f => f.Key, f => f.Value.ToTensor().Shape, StringComparer.Ordinal);
            }
            catch (UnreadableSampleException) when (index + 1 < Math.Min(SamplesToTry, data.Train.Count))
            {
                // The next one may be readable.
            }
        }
    }

    private PlannedStep StepOf(
        NetworkCost cost, IReadOnlyDictionary<string, IReadOnlyList<long>> inputs, PlanStatus freeze, TrainingData data)
    {
        var optimizer = _recipe.Train.Optimizer?.Create(data.Context) ?? new AdamWSettings();
        var trained = freeze.Tensors.Where(tensor => tensor.State == TensorState.Trained).Select(tensor => tensor.Name);
        var step = cost.TrainingStep(trained, StatesOf(optimizer));
        return new PlannedStep(
            _recipe.Train.BatchSize, inputs, step.MultiplyAdds, step.StateBytes, step.GradientBytes, step.OptimizerBytes,
            step.ActivationBytes, step.TransientBytes, step.TotalBytes);
    }

    /// <summary>How many tensors the optimizer keeps for each parameter.</summary>
    private static int StatesOf(OptimizerSettings optimizer) => optimizer switch
    {
        SgdSettings { Momentum: 0 } => 0,
        SgdSettings => 1,
        AdaptiveSettings { AmsGrad: true } => 3,
        _ => 2,
    };

    private static List<PlannedStage> StagesOf(PlanStatus freeze, NetworkCost? cost)
    {
        var costs = cost?.Stages.ToDictionary(stage => stage.Name, StringComparer.Ordinal) ?? [];
        return [.. freeze.Stages.Select(stage => new PlannedStage(
            stage.Name, stage.TrainedParameters, stage.FrozenParameters, stage.CanChange,
            costs.GetValueOrDefault(stage.Name)?.MultiplyAdds, costs.GetValueOrDefault(stage.Name)?.OutputBytes))];
    }

    private static List<PlannedTensor> TensorsOf(PlanStatus freeze, InitializationReport origins) =>
    [
        .. freeze.Tensors.Select(tensor =>
        {
            var origin = origins.Find(tensor.Name);
            return new PlannedTensor(
                tensor.Name, tensor.Kind, origin?.Shape ?? [], origin?.Origin.Describe() ?? "unknown",
                origin?.Rule ?? TensorProvenance.NoRule, tensor.State, tensor.Stage, tensor.LearningRateMultiplier);
        }),
    ];

    private static string? RefusalOf(IReadOnlyList<DoubtfulTensor> doubts)
    {
        if (doubts.Count == 0) return null;
        var count = doubts.Count == 1 ? "1 tensor" : $"{doubts.Count} tensors";
        return $"{count} would be frozen without having been loaded, the first {doubts[0].Name} ({doubts[0].Reason}); " +
            "load them, or state allow-random: true";
    }
}
