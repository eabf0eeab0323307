using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>
/// Audits a run against the files that hold what its frozen tensors were: copies in the run folder, and the checkpoints of the recipe. They
/// are opened when something has moved only, and one that is gone since is done without.
/// </summary>
internal sealed class RunAudits(Recipe recipe, RunFolder folder)
{
    /// <summary>Copies what is frozen now to the run folder, where the recipe asks for it.</summary>
    public void Copy(FrozenModel frozen)
    {
        if (recipe.Train.Audit.Copies) frozen.SaveFrozen(folder.Frozen);
    }

    /// <summary>The audit of the network.</summary>
    public FreezeAudit Audit(FrozenModel frozen) => Measured(frozen.Audit(), frozen.Audit);

    /// <summary>The audit of a file of the run.</summary>
    public FreezeAudit AuditFile(FrozenModel frozen, string path) =>
        Measured(frozen.AuditFile(path), references => frozen.AuditFile(path, references));

    /// <summary>An audit once more, with files to measure by, where there is something to be measured.</summary>
    private FreezeAudit Measured(FreezeAudit audit, Func<IReadOnlyList<Checkpoint>, FreezeAudit> again)
    {
        if (audit.Moved.Count == 0 && audit.StatedDrift.Count == 0) return audit;
        var references = new List<Checkpoint>();
        try
        {
            if (File.Exists(folder.Frozen)) references.Add(Checkpoint.Open(folder.Frozen));
            foreach (var load in recipe.Initialize.OfType<LoadRule>()) AddIfThere(load, references);
            return references.Count == 0 ? audit : again(references);
        }
        finally
        {
            foreach (var reference in references) reference.Dispose();
        }
    }

    private void AddIfThere(LoadRule load, List<Checkpoint> references)
    {
        try
        {
            references.Add(Checkpoint.Open(recipe.FindCheckpoint(load), load.Key));
        }
        catch (FrostlineException)
        {
            // The audit's result does not depend on it.
        }
    }
}
