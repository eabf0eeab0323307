using System.Text.Json;
using System.Text.Json.Serialization;
using Frostline.Autograd;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>What a dry step of one phase of a plan shows; see <see cref="DoctorReport"/>.</summary>
/// <param name="Epoch">The epoch with which the phase begins, from 1.</param>
/// <param name="Plateaus">How many plateaus it waits for besides; 0 for none.</param>
/// <param name="Diagnosis">What phases before it did not show.</param>
public sealed record DiagnosedPhase(int Epoch, int Plateaus, [property: JsonIgnore] GradientDiagnosis Diagnosis)
{
    /// <summary>What was found, the worst first.</summary>
    public IReadOnlyList<GradientFinding> Findings => Diagnosis.Findings;

    /// <summary>What could not be found out, one line each.</summary>
    public IReadOnlyList<string> Remarks => Diagnosis.Remarks;

    /// <summary>When it begins, in words.</summary>
    internal string Begins => PhaseWords.BeginOf(Epoch, Plateaus);

    /// <summary>What a line about it begins with: nothing for the first phase.</summary>
    internal string Prefix => Epoch == 1 && Plateaus == 0 ? "" : $"{Begins}: ";
}

/// <summary>What a dry step of each phase of a recipe's plan shows. Made by <see cref="DoctorJob"/>.</summary>
public sealed record DoctorReport
{
    /// <summary>What the training is called.</summary>
    public string? Name { get; init; }

    /// <summary>The phases in order, at least one.</summary>
    public required IReadOnlyList<DiagnosedPhase> Phases { get; init; }

    /// <summary>
    /// The first error with its place in the recipe, in one line: why training would stop. Null where there is no error, and where the
    /// recipe says that training goes on all the same (<see cref="TrainSettings.Diagnosis"/>).
    /// </summary>
    public string? Refusal { get; init; }

    /// <summary>Each finding with its remedy, under the phase in which it is met first; phases that add nothing are left out.</summary>
    public string Describe()
    {
        if (Phases.Count == 1) return Phases[0].Diagnosis.Describe();
        var telling = Phases.Where(phase => phase.Findings.Count + phase.Remarks.Count > 0).ToList();
        return telling.Count == 0
            ? FormattableString.Invariant($"nothing found in {Phases.Count} phases\n")
            : string.Join("\n", telling.Select(phase => $"{phase.Begins}\n{phase.Diagnosis.Describe()}"));
    }

    /// <summary>The report as indented JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunJson.Page);
}

/// <summary>Looks at what would keep a recipe's plan from doing what it says, by one step that changes nothing.</summary>
public sealed class DoctorJob
{
    private readonly Recipe _recipe;
    private readonly ITrainingObserver? _observer;

    /// <summary>Prepares the job; nothing is touched.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="observer">Is told of calibration; null for nobody.</param>
    public DoctorJob(Recipe recipe, ITrainingObserver? observer = null)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        (_recipe, _observer) = (recipe, observer);
    }

    /// <summary>Builds and initialises the network, and makes a dry step of each phase of the plan with the first training samples, eight at most.</summary>
    /// <param name="threads">How many threads; null for the recipe's number.</param>
    /// <returns>What was found; errors are in it, and nothing is thrown for them.</returns>
    /// <exception cref="FrostlineException">
    /// Something in the recipe, the data or a checkpoint is wrong, so that there is no step to look at.
    /// </exception>
    public DoctorReport Run(int? threads = null)
    {
        var bench = Workbench.Open(_recipe, threads);
        var data = bench.OpenData();
        using var network = bench.CreateNetwork(data);
        var report = bench.Initialize(network, data, _observer);
        var phases = TrainingDiagnosis.Of(bench, data, network, report);
        // A loss that is no number ends any training at its first step.
        var stops = _recipe.Train.Diagnosis == DiagnosisMode.Stop;
        var refusal = TrainingDiagnosis.Refusal(_recipe, phases, finding => stops || finding.Kind == FindingKind.LossNotFinite);
        return new DoctorReport { Name = _recipe.Name, Phases = phases, Refusal = refusal?.Message };
    }
}
