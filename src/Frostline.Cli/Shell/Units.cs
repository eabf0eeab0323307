using System.Globalization;

namespace Frostline.Cli.Shell;

/// <summary>Numbers as people read them.</summary>
internal static class Units
{
    private static readonly string[] s_prefixes = ["", "k", "M", "G", "T", "P", "E"];

    /// <summary>A count with thousands separated, for example <c>1,235,496</c>.</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A size in decimal units, for example <c>4.94 MB</c>.</summary>
    public static string Bytes(long bytes) => $"{Scaled(bytes)}B";

    /// <summary>A quantity in three significant digits and a decimal prefix, for example <c>41.0 M</c> or <c>999</c>.</summary>
    public static string Quantity(long quantity) => Scaled(quantity).TrimEnd();

    private static string Scaled(long quantity)
    {
        var value = (double)quantity;
        var prefix = 0;
        // 999.5 would round to 1000, which belongs to the next prefix.
        for (; value >= 999.5 && prefix < s_prefixes.Length - 1; prefix++) value /= 1000;
        var digits = prefix == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
        return $"{value.ToString($"F{digits}", CultureInfo.InvariantCulture)} {s_prefixes[prefix]}";
    }
}
