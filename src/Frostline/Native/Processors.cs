using System.Globalization;
using System.Runtime.InteropServices;

namespace Frostline.Native;

/// <summary>What the machine has to compute with.</summary>
public static class Processors
{
    /// <summary>
    /// The physical cores that this process may use, at least 1. On Linux the distinct (package, core) pairs of the kernel's
    /// topology, on macOS <c>hw.physicalcpu</c>, elsewhere the logical processors; never more than
    /// <see cref="Environment.ProcessorCount"/>, which respects affinity and container limits.
    /// </summary>
    public static int PhysicalCores { get; } = Math.Clamp(Count(), 1, Environment.ProcessorCount);

    private static int Count()
    {
        if (OperatingSystem.IsLinux()) return CountLinux("/sys/devices/system/cpu");
        if (OperatingSystem.IsMacOS()) return CountMac();
        return Environment.ProcessorCount;
    }

    internal static int CountLinux(string root)
    {
        var cores = new HashSet<(string Package, string Core)>();
        foreach (var folder in Directory.Exists(root) ? Directory.EnumerateDirectories(root, "cpu*") : [])
        {
            if (!int.TryParse(Path.GetFileName(folder).AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out _)) continue;
            var package = Path.Combine(folder, "topology", "physical_package_id");
            var core = Path.Combine(folder, "topology", "core_id");
            if (File.Exists(package) && File.Exists(core)) cores.Add((File.ReadAllText(package).Trim(), File.ReadAllText(core).Trim()));
        }

        return cores.Count > 0 ? cores.Count : Environment.ProcessorCount;
    }

    private static int CountMac()
    {
        var size = (nint)sizeof(int);
        return SysctlByName("hw.physicalcpu", out var cores, ref size, 0, 0) == 0 ? cores : Environment.ProcessorCount;
    }

    [DllImport("libSystem.dylib", EntryPoint = "sysctlbyname", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SysctlByName(string name, out int value, ref nint size, nint newValue, nint newSize);
}
