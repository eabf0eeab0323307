using System.Text.Json;
using System.Text.Json.Serialization;
using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Training.Runs;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>What an audit of two files found.</summary>
public sealed record AuditReport
{
    /// <summary>Creates a report.</summary>
    /// <param name="audit">The findings.</param>
    public AuditReport(FreezeAudit audit)
    {
        ArgumentNullException.ThrowIfNull(audit);
        Audit = audit;
    }

    /// <summary>The file of before, as it was named.</summary>
    public required string Before { get; init; }

    /// <summary>The file of after, as it was named.</summary>
    public required string After { get; init; }

    /// <summary>How many parameters and buffers the plan holds in every phase, and were compared.</summary>
    public int FrozenTensors => Audit.FrozenTensors;

    /// <summary>Those that moved, in the network's order, each by how much.</summary>
    public IReadOnlyList<MovedTensor> Moved => Audit.Moved;

    /// <summary>Running statistics that moved below frozen parameters because a rule says so.</summary>
    public IReadOnlyList<MovedTensor> StatedDrift => Audit.StatedDrift;

    /// <summary>Those that the plan holds and that could not be compared, each with the reason.</summary>
    public IReadOnlyList<UncomparedTensor> NotCompared => Audit.NotCompared;

    /// <summary>Trained parameters that are the same in both files.</summary>
    public IReadOnlyList<UnmovedTensor> TrainedButUnmoved => Audit.TrainedButUnmoved;

    /// <summary>What else is worth knowing, one line each.</summary>
    public required IReadOnlyList<string> Remarks { get; init; }

    /// <summary>The findings.</summary>
    [JsonIgnore]
    public FreezeAudit Audit { get; }

    /// <summary>The report as indented JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunJson.Page);
}

/// <summary>
/// Compares two files under a recipe's freeze plan, wherever they were trained: what the plan holds in all of its phases has to be the same
/// in both, bit for bit.
/// </summary>
public sealed class AuditJob
{
    private readonly Recipe _recipe;
    private readonly Registry _registry;

    /// <summary>Prepares an audit; nothing is touched.</summary>
    /// <param name="recipe">The recipe, of which the network, the initialisation and the freeze plan count.</param>
    /// <param name="registry">What descriptions in files can name; the one that the recipe was loaded with.</param>
    public AuditJob(Recipe recipe, Registry registry)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(registry);
        (_recipe, _registry) = (recipe, registry);
    }

    /// <summary>Compares; trains nothing. The recipe's data is opened only where nothing else says how many classes there are.</summary>
    /// <param name="before">
    /// The file of before: a checkpoint that the recipe loads, another one of the same names, or one by the network's names.
    /// </param>
    /// <param name="after">The file of after, for example <c>model.safetensors</c> of a run.</param>
    /// <param name="threads">How many threads; null for the recipe's number.</param>
    /// <exception cref="FrostlineException">
    /// Something in the recipe is wrong, a file is damaged or of another network, or nothing that is frozen can be compared.
    /// </exception>
    public AuditReport Run(Checkpoint before, Checkpoint after, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        var bench = Workbench.Open(_recipe, threads);
        var remarks = new List<string>();
        using var network = NetworkOf(bench, after);
        var origins = OriginsOf(bench, network, after, remarks);
        // First, so that a mistake in the plan is reported with its place in the recipe.
        bench.PreviewPlan(network, origins);
        var audit = FreezeAudit.OfFiles(before, after, bench.CreatePlan(), network, origins);
        if (audit.FrozenTensors == 0 && audit.NotCompared.Count > 0)
        {
            throw new FrostlineException(
                $"{before.Source}: none of the {audit.NotCompared.Count} frozen tensors can be compared with this file, the first is "
                + $"{audit.NotCompared[0]}; give the file that they were loaded from, or a checkpoint of the network from before");
        }

        return new AuditReport(audit) { Before = before.Source, After = after.Source, Remarks = remarks };
    }

    /// <summary>The network with as many outputs as the later file says, or the recipe, or its data.</summary>
    private torch.nn.Module NetworkOf(Workbench bench, Checkpoint after)
    {
        if (ModelDescription.Read(after, _registry) is { } description)
        {
            if (description.Model.Name != _recipe.Model.Name)
            {
                throw new FrostlineException(
                    $"{after.Source} holds {description.Model.Name}, and the recipe has {_recipe.Model.Name}; "
                    + "give the recipe that it was trained with");
            }

            return bench.CreateNetwork(ContextOf(description));
        }

        TrainingData data;
        try
        {
            data = bench.OpenData();
        }
        catch (FrostlineException)
        {
            // Without the data, a recipe that states the classes itself will still do.
            try
            {
                return bench.CreateNetwork(ContextOf(model: null));
            }
            catch (FrostlineException)
            {
            }

            throw;
        }

        return bench.CreateNetwork(data);
    }

    private BuildContext ContextOf(ModelDescription? model) => model is null
        ? new BuildContext { Folder = _recipe.Folder, Seed = _recipe.Seed }
        : new BuildContext { Folder = _recipe.Folder, Seed = _recipe.Seed, Classes = model.Classes, Facts = model.Facts };

    /// <summary>Where the first values came from: by the recipe or, where its files are gone, by what the later file says of itself.</summary>
    private InitializationReport OriginsOf(Workbench bench, torch.nn.Module network, Checkpoint after, List<string> remarks)
    {
        try
        {
            return RecipeInitialization.PreviewAdapted(_recipe, network, bench.PreviewInitialization(network));
        }
        catch (FrostlineException error) when (ModelFile.ProvenanceOf(after) is not null)
        {
            remarks.Add(
                $"where values came from is told by {Path.GetFileName(after.Source)}, "
                + $"since the recipe's initialisation cannot be repeated: {error.Message}");
            return ModelFile.ProvenanceOf(after)!;
        }
    }
}
