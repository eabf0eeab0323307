using Frostline.Training.Losses;
using TorchSharp;

namespace Frostline.Training.Metrics;

/// <summary>Which output and field a metric of classes reads.</summary>
public class ClassMetricOptions
{
    /// <summary>The network's output that is read: scores [B, K].</summary>
    public string Output { get; set; } = "logits";

    /// <summary>The batch's field with the targets.</summary>
    public string Target { get; set; } = "label";
}

/// <summary>A batch's scores and targets in managed memory.</summary>
internal static class ClassScores
{
    /// <summary>Scores [B, K] row by row, and the number of classes.</summary>
    public static (float[] Scores, int Classes) Scores(
        IReadOnlyDictionary<string, torch.Tensor> outputs, ClassMetricOptions options, string metric)
    {
        using var scope = torch.NewDisposeScope();
        var scores = outputs.Output(options.Output, metric);
        ClassTargets.RefuseOtherCount(scores, null, options.Output);
        return (scores.detach().to(torch.float32).cpu().contiguous().data<float>().ToArray(), checked((int)scores.shape[1]));
    }

    /// <summary>Class indices [B].</summary>
    public static long[] Indices(IReadOnlyDictionary<string, torch.Tensor> fields, ClassMetricOptions options, string metric)
    {
        using var scope = torch.NewDisposeScope();
        var target = fields.Field(options.Target, metric);
        if (target.dim() != 1 || target.is_floating_point())
            throw new FrostlineException($"the {metric} wants one class index a sample, and the field \"{options.Target}\" is "
                + $"{target.dtype} [{string.Join(", ", target.shape)}]; use a multi-label metric");
        return target.to(torch.int64).cpu().contiguous().data<long>().ToArray();
    }

    /// <summary>Which labels are set, [B, K] row by row.</summary>
    public static bool[] Labels(
        IReadOnlyDictionary<string, torch.Tensor> fields, ClassMetricOptions options, string metric, int classes)
    {
        using var scope = torch.NewDisposeScope();
        var target = fields.Field(options.Target, metric);
        if (target.dim() != 2 || target.shape[1] != classes)
            throw new FrostlineException($"the {metric} wants one number a sample and class, and the field "
                + $"\"{options.Target}\" is [{string.Join(", ", target.shape)}] for {classes} classes");
        return [.. target.to(torch.float32).cpu().contiguous().data<float>().ToArray().Select(v => v > 0.5f)];
    }

    /// <summary>
    /// How many scores of a row come before that of a class, counting equal ones by their position, so that a constant output
    /// is not right about everything. A score that is not a number comes last.
    /// </summary>
    public static int Rank(ReadOnlySpan<float> row, int wanted)
    {
        var score = row[wanted];
        if (float.IsNaN(score)) return int.MaxValue;
        var rank = 0;
        for (var i = 0; i < row.Length; i++)
        {
            if (row[i] > score || (row[i] == score && i < wanted)) rank++;
        }

        return rank;
    }

    /// <summary>The position of the greatest score, the first of equal ones; -1 where none is a number.</summary>
    public static int Best(ReadOnlySpan<float> row)
    {
        var best = -1;
        for (var i = 0; i < row.Length; i++)
        {
            if (!float.IsNaN(row[i]) && (best < 0 || row[i] > row[best])) best = i;
        }

        return best;
    }

    /// <summary>A quotient that is NaN where there is nothing to divide by.</summary>
    public static double Ratio(double part, double whole) => whole == 0 ? double.NaN : part / whole;

    /// <summary>The mean of the numbers that are defined.</summary>
    public static double Mean(IEnumerable<double> values) =>
        values.Where(v => !double.IsNaN(v)).DefaultIfEmpty(double.NaN).Average();

    /// <summary>The names of classes: those of the data, or their indices.</summary>
    public static IReadOnlyList<string> Names(IReadOnlyList<string>? names, int count) =>
        names is { } given && given.Count == count
            ? given
            : [.. Enumerable.Range(0, count).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture))];
}
