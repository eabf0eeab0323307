using System.Globalization;

namespace Frostline.Cli.Shell;

/// <summary>Metrics as people read them.</summary>
internal static class Numbers
{
    // More would not fit into a line; the rest is in the run folder.
    private const int Most = 6;

    /// <summary>Names and values, each behind a separator: <c>, loss 0.4312, accuracy 0.912</c>.</summary>
    public static string Of(IReadOnlyDictionary<string, double> metrics, string separator) =>
        string.Concat(metrics.Take(Most).Select(metric => $"{separator}{metric.Key} {Of(metric.Value)}"));

    /// <summary>A value in four significant digits.</summary>
    public static string Of(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
