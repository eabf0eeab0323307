namespace Frostline.Initialization;

/// <summary>What one <c>Load</c> rule did with its checkpoint.</summary>
/// <param name="Rule">The rule as it reads in the plan.</param>
/// <param name="File">The checkpoint's file name, without folder.</param>
/// <param name="Hash">Its content hash (<c>Checkpoint.ContentHash</c>).</param>
/// <param name="Loaded">How many tensors of the network got their value from it.</param>
/// <param name="Selected">
/// How many persistent tensors the rule was to fill: those that it selects and no later rule decides.
/// </param>
/// <param name="Missing">
/// Tensors that it was to fill and the checkpoint lacks; an earlier rule decided them, or they were kept.
/// </param>
/// <param name="Unexpected">Keys of the checkpoint that name nothing in the network.</param>
/// <param name="Skipped">
/// Keys whose tensor exists in the network and was still not filled by this rule, each with the reason.
/// </param>
/// <param name="Remarks">What else is worth knowing, one line each, for example a prefix that was not there to strip.</param>
/// <param name="Parent">
/// The provenance that the checkpoint itself carries, where it is a model file of Frostline's; otherwise null.
/// </param>
public sealed record LoadReport(
    string Rule,
    string File,
    string Hash,
    int Loaded,
    int Selected,
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unexpected,
    IReadOnlyList<SkippedTensor> Skipped,
    IReadOnlyList<string> Remarks,
    InitializationReport? Parent = null)
{
    /// <summary>The share of the selected tensors that were loaded, from 0 to 1; 1 where none was selected.</summary>
    public double Coverage => Selected == 0 ? 1 : (double)Loaded / Selected;
}

/// <summary>A tensor of a checkpoint that a rule left out on purpose.</summary>
/// <param name="Key">Its name inside the checkpoint.</param>
/// <param name="Name">Its name in the network.</param>
/// <param name="Reason">Why it was left out.</param>
public sealed record SkippedTensor(string Key, string Name, string Reason);
