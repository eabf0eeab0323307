using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Frostline.Initialization;

/// <summary>What one <c>Load</c> rule did with its checkpoint: an entry a tensor, of which all lists are views.</summary>
/// <param name="Rule">The rule as it reads in the plan.</param>
/// <param name="File">The checkpoint's file name, without folder.</param>
/// <param name="Hash">Its content hash (<c>Checkpoint.ContentHash</c>).</param>
/// <param name="Tensors">
/// What was loaded and what was missing, in the network's order, then what was left over, in the file's.
/// </param>
/// <param name="Remarks">What else is worth knowing, one line each, for example a prefix that was not there to strip.</param>
/// <param name="Parent">
/// The provenance that the checkpoint itself carries, where it is a model file of Frostline's; otherwise null.
/// </param>
public sealed record LoadReport(
    string Rule,
    string File,
    string Hash,
    IReadOnlyList<TensorLoad> Tensors,
    IReadOnlyList<string> Remarks,
    InitializationReport? Parent = null)
{
    /// <summary>The tensors that got their value from the checkpoint, cast, renamed and adapted ones among them.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Loaded => Having(LoadOutcome.Loaded);

    /// <summary>
    /// Tensors that the rule was to fill and the checkpoint lacks; an earlier rule decided them, or they were kept.
    /// </summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Missing => Having(LoadOutcome.Missing);

    /// <summary>Tensors of the checkpoint that name nothing in the network.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Unexpected => Having(LoadOutcome.Unexpected);

    /// <summary>Tensors that both have and this rule did not fill, each with the reason.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Skipped => Having(LoadOutcome.Skipped);

    /// <summary>
    /// Tensors whose shapes differ: those that a policy adapted, and those that were skipped. Any other mismatch is an error before
    /// there is a report.
    /// </summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Mismatched => [.. Tensors.Where(tensor => tensor.IsOfAnotherShape)];

    /// <summary>The loaded tensors whose elements had another type in the file.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Cast => [.. Tensors.Where(tensor => tensor.IsCast)];

    /// <summary>The loaded tensors that have another name in the file.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Renamed => [.. Tensors.Where(tensor => tensor.IsRenamed)];

    /// <summary>The loaded tensors whose values a policy computed from the file's.</summary>
    [JsonIgnore]
    public IReadOnlyList<TensorLoad> Adapted => [.. Tensors.Where(tensor => tensor.IsAdapted)];

    /// <summary>
    /// The share of the tensors that the rule was to fill and did, from 0 to 1; 1 where it was to fill none. Those that it selects
    /// and a later rule decides, or a policy leaves out, do not count.
    /// </summary>
    [JsonIgnore]
    public double Coverage => Loaded.Count + Missing.Count is var wanted and > 0 ? (double)Loaded.Count / wanted : 1;

    /// <summary>The report in one line: how many tensors were loaded and, where there are any, how many of each other list.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"{File}: {Loaded.Count} of {Loaded.Count + Missing.Count} tensors loaded");
        Count(Renamed.Count, "renamed");
        Count(Cast.Count, "cast");
        Count(Adapted.Count, "adapted");
        Count(Missing.Count, "missing");
        Count(Unexpected.Count, "unexpected");
        Count(Skipped.Count, "skipped");
        Count(Mismatched.Count, "of another shape");
        return text.ToString();

        void Count(int count, string what)
        {
            if (count > 0) text.Append(System.Globalization.CultureInfo.InvariantCulture, $", {count} {what}");
        }
    }

    /// <summary>The line of <see cref="ToString"/>, an aligned table of tensors, and the remarks.</summary>
    /// <param name="all">
    /// Whether every tensor has a row; by default those have that are missing, unexpected, skipped or adapted. The first line counts
    /// the others.
    /// </param>
    public string Describe(bool all = false)
    {
        var text = new StringBuilder(ToString()).Append('\n');
        var rows = Tensors.Where(tensor => all || tensor.Outcome != LoadOutcome.Loaded || tensor.IsAdapted).Select(tensor => tensor.Row()).ToList();
        if (rows.Count > 0) TextRows.Append(text, [TensorLoad.Titles, .. rows], indent: "  ");
        foreach (var remark in Remarks) text.Append("  remark: ").Append(remark).Append('\n');
        return text.ToString();
    }

    /// <summary>The report as JSON on one line, as it lies in an <see cref="InitializationReport"/>.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, InitializationReport.Json);

    private List<TensorLoad> Having(LoadOutcome outcome) => [.. Tensors.Where(tensor => tensor.Outcome == outcome)];
}
