using System.Globalization;
using System.Text;

namespace Frostline.Bench.Comparison;

/// <summary>The table of a comparison, in Markdown: medians over the pairs, the ratio being the median of the pairs' ratios.</summary>
internal sealed class ComparisonTable(IReadOnlyList<(TrainingCase Case, IReadOnlyList<Pair> Pairs)> rows)
{
    /// <summary>Whether every case reaches its target.</summary>
    public bool IsReached => rows.All(row => row.Case.Target.IsReached(Reached(row)));

    /// <summary>The table, and below it how often frozen parts were evaluated.</summary>
    public string Write(IReadOnlyList<string> evaluations)
    {
        var text = new StringBuilder();
        text.Append("| case | | Frostline | compared with | | ratio | target | |\n| --- | --- | ---: | --- | ---: | ---: | ---: | --- |\n");
        foreach (var row in rows) text.Append(Line(row)).Append('\n');
        if (rows.Any(row => row.Case.IsExtrapolated)) text.Append("\n*extrapolated*: three epochs were run, and the steady ones count for the rest.\n");
        if (evaluations.Count > 0) text.Append("\nSamples on which the frozen part was evaluated:\n\n");
        foreach (var evaluation in evaluations) text.Append("* ").Append(evaluation).Append('\n');
        return text.ToString();
    }

    private static string Line((TrainingCase Case, IReadOnlyList<Pair> Pairs) row)
    {
        var (one, pairs) = row;
        var ours = $"{Figure(Medians.Of([.. pairs.Select(pair => pair.Ours)]))} {one.Unit}";
        var reached = one.Target.Limit is null ? "reported" : one.Target.IsReached(Reached(row)) ? "reached" : "missed";
        var limit = one.Target.Limit is { } target ? $"{(one.Target.AtLeast ? "≥" : "≤")} {Figure(target)}" : "";
        if (pairs[0].Theirs is null) return $"| {one.Name} | {one.Title} | {ours} | | | | {limit} {one.Unit} | {reached} |";
        var theirs = $"{Figure(Medians.Of([.. pairs.Select(pair => pair.Theirs!.Value)]))} {one.Unit}{(one.IsExtrapolated ? " *extrapolated*" : "")}";
        var times = one.Target.Limit is null ? "" : "x";
        return $"| {one.Name} | {one.Title} | {ours} | {one.Against} | {theirs} | {Figure(Reached(row))}x | {limit}{times} | {reached} |";
    }

    /// <summary>What the target is about.</summary>
    private static double Reached((TrainingCase Case, IReadOnlyList<Pair> Pairs) row) => Medians.Of(
    [
        .. row.Pairs.Select(pair => pair.Theirs is not { } theirs ? pair.Ours : row.Case.Target.AtLeast ? theirs / pair.Ours : pair.Ours / theirs),
    ]);

    /// <summary>Three digits that count.</summary>
    private static string Figure(double value) => value.ToString(value >= 100 ? "N0" : value >= 10 ? "F1" : "F2", CultureInfo.InvariantCulture);
}
