using System.Text.Json;
using System.Text.Json.Serialization;
using Frostline.Autograd;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>What one dry step of a recipe shows. Made by <see cref="DoctorJob"/>.</summary>
public sealed record DoctorReport
{
    /// <summary>Creates a report.</summary>
    /// <param name="diagnosis">The diagnosis.</param>
    public DoctorReport(GradientDiagnosis diagnosis) => Diagnosis = diagnosis;

    /// <summary>What the training is called.</summary>
    public string? Name { get; init; }

    /// <summary>What was found, the worst first.</summary>
    public IReadOnlyList<GradientFinding> Findings => Diagnosis.Findings;

    /// <summary>What could not be found out, one line each.</summary>
    public IReadOnlyList<string> Remarks => Diagnosis.Remarks;

    /// <summary>The first error with its place in the recipe, in one line: why training would stop. Null where there is no error.</summary>
    public string? Refusal { get; init; }

    /// <summary>The diagnosis, with its text.</summary>
    [JsonIgnore]
    public GradientDiagnosis Diagnosis { get; }

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

    /// <summary>Builds and initialises the network, applies the plan, and makes a dry step with the first training batch.</summary>
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
        using var frozen = bench.ApplyPlan(network, report);
        var diagnosis = TrainingDiagnosis.Of(bench, data, frozen);
        return new DoctorReport(diagnosis)
        {
            Name = _recipe.Name,
            Refusal = TrainingDiagnosis.Refusal(_recipe, diagnosis.Errors)?.Message,
        };
    }
}
