using System.Text.Json;
using System.Text.Json.Serialization;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Selection;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>
/// What a recipe would do, found out without training: what would be loaded, drawn, kept, frozen and trained, where the frost
/// line lies, and what a step costs. Made by <see cref="PlanJob"/>.
/// </summary>
public sealed record PlanReport
{
    /// <summary>Creates a report.</summary>
    /// <param name="freeze">The freeze plan laid over the network.</param>
    /// <param name="origins">Where each value would come from.</param>
    public PlanReport(PlanStatus freeze, InitializationReport origins) => (Freeze, Origins) = (freeze, origins);

    /// <summary>What the training is called.</summary>
    public string? Name { get; init; }

    /// <summary>The network in numbers.</summary>
    public required ModelSummary Model { get; init; }

    /// <summary>The data in numbers.</summary>
    public required DataSummary Data { get; init; }

    /// <summary>Where the first values would come from.</summary>
    public required InitializationSummary Initialization { get; init; }

    /// <summary>What each checkpoint would give, tensor by tensor; without the reports that the checkpoints themselves carry.</summary>
    public IReadOnlyList<LoadReport> Loads => [.. Origins.Loads.Select(load => load with { Parent = null })];

    /// <summary>Where the frozen prefix would end.</summary>
    public required FrostLineSummary FrostLine { get; init; }

    /// <summary>The phases of the freeze plan in order, at least one. The rest of the report is about the first one.</summary>
    public required IReadOnlyList<PlannedPhaseSummary> Phases { get; init; }

    /// <summary>The stages in order; empty where the network has none.</summary>
    public required IReadOnlyList<PlannedStage> Stages { get; init; }

    /// <summary>What a training step would cost; null where that is unknown.</summary>
    public PlannedStep? Step { get; init; }

    /// <summary>Why the cost of a step is unknown; null where it is known.</summary>
    public string? StepUnknown { get; init; }

    /// <summary>Every parameter and buffer, in the network's order.</summary>
    public required IReadOnlyList<PlannedTensor> Tensors { get; init; }

    /// <summary>What is allowed and still likely to be a mistake, one line each.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>Why training would be refused, in one line; null where nothing speaks against it.</summary>
    public string? Refusal { get; init; }

    /// <summary>The freeze plan laid over the network, with its table.</summary>
    [JsonIgnore]
    public PlanStatus Freeze { get; }

    /// <summary>Where each value would come from, and what each checkpoint would leave over.</summary>
    [JsonIgnore]
    public InitializationReport Origins { get; }

    /// <summary>The report as indented JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunJson.Page);
}

/// <summary>A phase of a plan in numbers.</summary>
/// <param name="Epoch">Its first epoch, from 1.</param>
/// <param name="Plateaus">How many plateaus it waits for besides; 0 for none.</param>
/// <param name="Trainable">How many numbers are trained in it.</param>
/// <param name="Frozen">How many are not.</param>
/// <param name="FrostLine">The first stage in which anything can change; null without stages, or where nothing can.</param>
public sealed record PlannedPhaseSummary(int Epoch, int Plateaus, long Trainable, long Frozen, string? FrostLine)
{
    /// <summary>What a training step would cost in it; null where that is unknown.</summary>
    public PlannedStep? Step { get; init; }

    /// <summary>When it begins, in words: <c>from the start</c>, <c>after 5 epochs</c>, <c>after plateau 1</c>.</summary>
    [JsonIgnore]
    public string Begins => PhaseWords.BeginOf(Epoch, Plateaus);
}

/// <summary>One stage under a plan.</summary>
/// <param name="Name">The stage's name.</param>
/// <param name="Trained">How many numbers are trained in it.</param>
/// <param name="Frozen">How many are not.</param>
/// <param name="CanChange">Whether anything in it can change.</param>
/// <param name="MultiplyAdds">Multiply-adds forward for a batch; null where unknown.</param>
/// <param name="OutputBytes">Bytes of what it puts out for a batch; null where unknown.</param>
public sealed record PlannedStage(string Name, long Trained, long Frozen, bool CanChange, long? MultiplyAdds, long? OutputBytes);

/// <summary>What one training step would cost, estimated; see <see cref="Staging.StepCost"/>.</summary>
/// <param name="BatchSize">How many samples a batch has.</param>
/// <param name="Inputs">The shape of each input of the network, batch included.</param>
/// <param name="MultiplyAdds">Multiply-adds forward and backward.</param>
/// <param name="StateBytes">Bytes of all parameters and buffers.</param>
/// <param name="GradientBytes">Bytes of the gradients.</param>
/// <param name="OptimizerBytes">Bytes of the optimizer's state.</param>
/// <param name="ActivationBytes">Bytes of activations that are kept for the backward pass.</param>
/// <param name="TransientBytes">Bytes that come and go.</param>
/// <param name="TotalBytes">All bytes at the fullest moment.</param>
public sealed record PlannedStep(
    int BatchSize,
    IReadOnlyDictionary<string, IReadOnlyList<long>> Inputs,
    long MultiplyAdds,
    long StateBytes,
    long GradientBytes,
    long OptimizerBytes,
    long ActivationBytes,
    long TransientBytes,
    long TotalBytes);

/// <summary>One parameter or buffer under a plan.</summary>
/// <param name="Name">Its dotted name.</param>
/// <param name="Kind">A parameter or a buffer.</param>
/// <param name="Shape">Its sizes, outermost first.</param>
/// <param name="Origin">Where its first value would come from, in words.</param>
/// <param name="Rule">The initialisation rule that decides.</param>
/// <param name="State">What it would do while training.</param>
/// <param name="Stage">The stage that owns it; null where the network has none.</param>
/// <param name="LearningRate">The factor on the learning rate; 1 where it is not trained.</param>
public sealed record PlannedTensor(
    string Name,
    NodeKind Kind,
    IReadOnlyList<long> Shape,
    string Origin,
    string Rule,
    TensorState State,
    string? Stage,
    double LearningRate);
