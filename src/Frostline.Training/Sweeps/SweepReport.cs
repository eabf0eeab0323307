using System.Globalization;
using System.Text;

namespace Frostline.Training.Sweeps;

/// <summary>A sweep as people read it: the table of its trials, and the report <c>sweep.md</c>.</summary>
public static class SweepReport
{
    /// <summary>The titles of <see cref="Rows"/>: the trial, a column for each key, what it reached and why it ended.</summary>
    /// <param name="sweep">The sweep.</param>
    public static IReadOnlyList<string> Titles(SweepSummary sweep)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        string[] loss = sweep.Metric == "loss" ? [] : ["loss"];
        return ["trial", .. sweep.Grid.Keys, sweep.Metric, .. loss, "best epoch", "epochs", "ended"];
    }

    /// <summary>A row for each trial, the best first.</summary>
    /// <param name="sweep">The sweep.</param>
    public static IEnumerable<IReadOnlyList<string>> Rows(SweepSummary sweep)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        foreach (var trial in sweep.Trials)
        {
            string[] loss = sweep.Metric == "loss" ? [] : [Number(trial, "loss")];
            yield return
            [
                Text(trial.Trial), .. sweep.Grid.Keys.Select(key => trial.Values[key]), Number(trial, sweep.Metric), .. loss,
                trial.BestEpoch is { } epoch ? Text(epoch) : "-", Text(trial.Epochs.Count), Words(trial.Ended),
            ];
        }
    }

    /// <summary>The report: what was swept, the table, and the run of the best trial.</summary>
    /// <param name="sweep">The sweep.</param>
    public static string ToMarkdown(SweepSummary sweep)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# Sweep{(sweep.Name is { } name ? $" of {name}" : "")}\n\n");
        text.Append(CultureInfo.InvariantCulture, $"{sweep.Trials.Count} trials, compared by {sweep.Metric} ({(sweep.HigherIsBetter ? "higher" : "lower")} is better); the best first.\n");
        if (!sweep.Complete) text.Append("The sweep was stopped: this is what was known then.\n");
        text.Append('\n');
        var titles = Titles(sweep);
        Row(text, titles);
        Row(text, titles.Select(_ => "---"));
        foreach (var row in Rows(sweep)) Row(text, row);
        foreach (var trial in sweep.Trials.Where(trial => trial.Reason is not null)) text.Append(CultureInfo.InvariantCulture, $"\nTrial {trial.Trial}: {trial.Reason}\n");
        text.Append('\n').Append(Prefix(sweep)).Append('\n');
        text.Append(Best(sweep)).Append('\n');
        return text.ToString();
    }

    /// <summary>One line about how the frozen part was computed.</summary>
    /// <param name="sweep">The sweep.</param>
    public static string Prefix(SweepSummary sweep)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        return string.Create(CultureInfo.InvariantCulture, $"The frozen part ({string.Join(", ", sweep.Prefix.Stages)}) was evaluated by {sweep.Prefix.Engine} on {sweep.PrefixRows} rows for all trials together; {sweep.StoredRows} rows came from the store. {Heads(sweep)} All took {sweep.Seconds:F1} s.");
    }

    /// <summary>One line about the run of the best trial.</summary>
    /// <param name="sweep">The sweep.</param>
    public static string Best(SweepSummary sweep)
    {
        ArgumentNullException.ThrowIfNull(sweep);
        if (sweep.Best is not { } best) return sweep.Complete ? "There is no best trial." : "The best trial was not run by itself.";
        var rows = best.PrefixRows == 0 ? "it evaluated the frozen part on no row" : string.Create(CultureInfo.InvariantCulture, $"it evaluated the frozen part on {best.PrefixRows} rows");
        var same = best.Difference switch
        {
            null => "",
            0 => "; its numbers are those of the trial, bit for bit",
            { } difference => string.Create(CultureInfo.InvariantCulture, $"; its numbers differ from those of the trial by {difference:0.#e+0} of their size at most"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"The run of trial {best.Trial}, a training by itself with its values, is in {best.Folder}; {rows}{same}.");
    }

    private static string Heads(SweepSummary sweep) => sweep.Stacked == 0
        ? "Each trial's head was computed by itself."
        : string.Create(CultureInfo.InvariantCulture, $"The heads of {sweep.Stacked} trials were computed as one matrix product, which sums in another order.");

    private static void Row(StringBuilder text, IEnumerable<string> cells) =>
        text.Append("| ").AppendJoin(" | ", cells.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal))).Append(" |\n");

    private static string Number(TrialSummary trial, string metric) =>
        trial.Metrics.TryGetValue(metric, out var value) ? value.ToString("G4", CultureInfo.InvariantCulture) : "-";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Words(TrialEnd end) => end switch
    {
        TrialEnd.Finished => "finished",
        TrialEnd.StoppedEarly => "stopped early",
        TrialEnd.Diverged => "diverged",
        _ => "cancelled",
    };
}
