using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Security.Cryptography;
using TorchSharp;

namespace Frostline.Native;

/// <summary>
/// Loads TorchSharp's native library where the default search fails. The library asks for version
/// <c>GLIBCXX_3.4.32</c> of libstdc++ (GCC 13) because of one symbol that nothing calls; Debian 12, Ubuntu 22.04 and RHEL 9
/// are older. A copy in the user's cache folder, with that one requirement made weak, loads there. Installed files are
/// never altered.
/// </summary>
internal static class TorchLibraryLoader
{
    private const string LibraryName = "LibTorchSharp";
    private const string FileName = "libLibTorchSharp.so";
    private const string Version = "GLIBCXX_3.4.32";

    // std::ios_base_library_init(): emitted by GCC 13 wherever <iostream> is included; the library's own initialiser suffices.
    private static readonly HashSet<string> s_harmless = new(StringComparer.Ordinal) { "_ZSt21ios_base_library_initv" };

    // What the patched copy needs, in the order of their dependencies; the copy lies elsewhere, so its run path finds none.
    private static readonly string[] s_dependencies = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];

    private static string? s_failure;

    public static void Register()
    {
        // The event fires only after default probing has failed, so a system that needs no help never gets here.
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64)
            AssemblyLoadContext.Default.ResolvingUnmanagedDll += Resolve;
    }

    /// <exception cref="NativeLibraryException">The library cannot be loaded.</exception>
    public static void EnsureLoaded()
    {
        // What TorchSharp's own initialiser does first; done here so that the loader's words are not lost in its message.
        s_failure = null;
        try
        {
            NativeLibrary.Load(LibraryName, typeof(torch).Assembly, searchPath: null);
            torch.InitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or TypeInitializationException or NotSupportedException)
        {
            throw new NativeLibraryException(Explain(s_failure ?? e.Message), e);
        }
    }

    internal static string Explain(string loaderMessage)
    {
        const string missing = "version `";
        var at = loaderMessage.IndexOf(missing, StringComparison.Ordinal);
        if (at >= 0)
        {
            var version = loaderMessage[(at + missing.Length)..];
            version = version[..Math.Max(0, version.IndexOf('\''))];
            var library = version.StartsWith("GLIBCXX", StringComparison.Ordinal) ? "libstdc++ (package libstdc++6)" : "the C library (glibc)";
            return $"{FileName} cannot be loaded: it needs {version}, which this system's {library} lacks; " +
                "use a newer release of the distribution (Debian 12 is known to work)";
        }

        var package = OperatingSystem.IsWindows() ? "libtorch-cpu-win-x64"
            : OperatingSystem.IsMacOS() ? "libtorch-cpu-osx-arm64" : "libtorch-cpu-linux-x64";
        var words = string.Join(' ', loaderMessage.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return $"{LibraryName} cannot be loaded ({words}); reference the NuGet package {package} in the program's project";
    }

    private static nint Resolve(Assembly assembly, string name)
    {
        if (name != LibraryName) return 0;
        try
        {
            var folder = NativeFolders().FirstOrDefault(f => File.Exists(Path.Combine(f, FileName)));
            if (folder is null) return 0;
            foreach (var dependency in s_dependencies) LoadDependency(dependency);
            return NativeLibrary.Load(PatchedCopy(Path.Combine(folder, FileName), CacheFolder()));
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            s_failure = e.Message;
            return 0;
        }
    }

    private static void LoadDependency(string file)
    {
        var path = NativeFolders().Select(f => Path.Combine(f, file)).FirstOrDefault(File.Exists)
            ?? throw new DllNotFoundException($"{file} is not among the program's native files");
        NativeLibrary.Load(path);
    }

    private static IEnumerable<string> NativeFolders()
    {
        var known = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return known.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"))
            .Append(AppContext.BaseDirectory);
    }

    /// <summary>The patched copy of a library, made at first need, in a folder named after the original's SHA-256.</summary>
    internal static string PatchedCopy(string original, string cacheFolder)
    {
        var bytes = File.ReadAllBytes(original);
        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        if (!ElfVersionPatcher.WeakenVersion(bytes, Version, s_harmless)) return original;
        var copy = Path.Combine(cacheFolder, hash, Path.GetFileName(original));
        if (!File.Exists(copy) || !File.ReadAllBytes(copy).AsSpan().SequenceEqual(bytes))
            AtomicFile.Write(copy, stream => stream.Write(bytes));
        return copy;
    }

    internal static string CacheFolder()
    {
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        if (string.IsNullOrEmpty(cache))
        {
            var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            cache = home.Length > 0 ? Path.Combine(home, ".cache") : Path.Combine(Path.GetTempPath(), $"frostline-{Environment.UserName}");
        }

        return Path.Combine(cache, "frostline", "native");
    }
}
