using System.Text.Json;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>
/// The freeze rules that a training has had: they may be others when it is resumed, nothing else of the recipe may. Kept in the checkpoint,
/// so that resuming once more passes through the same plans.
/// </summary>
/// <param name="Former">The recipes with the rules of before, in order; empty as long as the rules are those of the beginning.</param>
/// <param name="From">The epoch, from 0, in which the rules of now came to hold.</param>
/// <param name="IsNew">Whether they come to hold with this resumption.</param>
internal sealed record PlanHistory(IReadOnlyList<FormerPlan> Former, int From, bool IsNew)
{
    /// <summary>The metadata key of the history in a training's checkpoint.</summary>
    private const string Key = "frostline.plans";

    /// <summary>The history of a training that begins.</summary>
    public static PlanHistory None { get; } = new([], 0, IsNew: false);

    /// <summary>The last epoch, from 0, that has begun; -1 before the first one. An epoch without a finished batch has not begun.</summary>
    public static int LastBegun(TrainingState state) => state.Batch > 0 ? state.Epoch : state.Epoch - 1;

    /// <summary>The history of an interrupted training.</summary>
    /// <param name="checkpoint">Its checkpoint.</param>
    /// <param name="then">The recipe of then.</param>
    /// <param name="isOther">Whether the freeze rules are others now.</param>
    /// <exception cref="FrostlineException">The checkpoint's history cannot be read.</exception>
    public static PlanHistory Of(TrainingCheckpoint checkpoint, string then, bool isOther)
    {
        var stored = checkpoint.Metadata.TryGetValue(Key, out var json) ? Read(json) : None;
        if (!isOther) return stored with { IsNew = false };
        var former = new FormerPlan(stored.From, Math.Max(stored.From, LastBegun(checkpoint.State)), then);
        return new PlanHistory([.. stored.Former, former], checkpoint.State.Epoch, IsNew: true);
    }

    /// <summary>Adds the history to what a checkpoint says; nothing for a training with the rules of its beginning.</summary>
    public void AddTo(Dictionary<string, string> metadata)
    {
        if (Former.Count > 0) metadata[Key] = JsonSerializer.Serialize(this);
    }

    private static PlanHistory Read(string json)
    {
        try
        {
            if (JsonSerializer.Deserialize<PlanHistory>(json) is { Former: not null } history) return history;
        }
        catch (JsonException error)
        {
            throw new FrostlineException($"the checkpoint's history of freeze rules cannot be read: {error.Message}; start the run anew", error);
        }

        throw new FrostlineException("the checkpoint's history of freeze rules cannot be read: its plans are missing; start the run anew");
    }
}

/// <summary>Rules that a training had before.</summary>
/// <param name="From">The epoch, from 0, in which they came to hold.</param>
/// <param name="Through">The last epoch that began with them.</param>
/// <param name="Recipe">The recipe as it was resolved then.</param>
internal sealed record FormerPlan(int From, int Through, string Recipe);
