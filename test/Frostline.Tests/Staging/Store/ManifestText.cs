using System.IO.Hashing;
using System.Text;

namespace Frostline.Tests.Staging.Store;

/// <summary>Changes manifests as the documentation of the format says, with a check that fits.</summary>
internal static class ManifestText
{
    public static void Replace(string path, string old, string text)
    {
        var changed = File.ReadAllText(path).Replace(old, text, StringComparison.Ordinal);
        var end = changed.LastIndexOf('"');
        var zeros = changed[..(end - 32)] + new string('0', 32) + changed[end..];
        var check = Convert.ToHexStringLower(XxHash128.Hash(Encoding.UTF8.GetBytes(zeros)));
        File.WriteAllText(path, changed[..(end - 32)] + check + changed[end..]);
    }
}
