using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Frostline.Native;

/// <summary>
/// Finds and loads libtorch, and sets the memory allocator. Touching anything of Frostline runs <see cref="Initialize"/>, so
/// only a program that uses TorchSharp before it uses Frostline has to call it.
/// </summary>
public static partial class NativeRuntime
{
    private static int s_initialized;

    /// <summary>
    /// Prepares the process: on glibc the allocator keeps freed memory (see <see cref="Allocator"/>), threads that
    /// have nothing to do sleep, and where the system's
    /// own search fails, TorchSharp's native library is loaded from a copy that an older libstdc++ accepts. Does not load
    /// libtorch. Calling it again does nothing.
    /// </summary>
    public static void Initialize()
    {
        if (Interlocked.Exchange(ref s_initialized, 1) != 0) return;
        Allocator.Apply();
        IdleThreads.Apply();
        TorchLibraryLoader.Register();
    }

    /// <summary>
    /// Loads libtorch now, sets the number of threads, and turns off NNPACK, which many processors lack and libtorch then warns of.
    /// </summary>
    /// <param name="threads">
    /// Threads of one operation; null for the number of physical cores (<see cref="Processors.PhysicalCores"/>). Equal seeds
    /// give equal bits only at an equal number of threads.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="threads"/> is less than 1.</exception>
    /// <exception cref="NativeLibraryException">libtorch cannot be loaded; the message names the library and the remedy.</exception>
    public static void Load(int? threads = null)
    {
        if (threads is { } wanted) ArgumentOutOfRangeException.ThrowIfLessThan(wanted, 1, nameof(threads));
        Initialize();
        TorchLibraryLoader.EnsureLoaded();
        Nnpack.TurnOff();
        torch.set_num_threads(threads ?? Processors.PhysicalCores);
    }

    /// <summary>
    /// Ends the process at once, as the last thing that a program does. Libtorch's destructors are left out, which take a tenth of a
    /// second; nothing is flushed but the console, so close files first.
    /// </summary>
    /// <param name="exitCode">What the process returns.</param>
    [DoesNotReturn]
    public static void Exit(int exitCode)
    {
        Console.Out.Flush();
        Console.Error.Flush();
        if (!OperatingSystem.IsWindows()) ExitAtOnce(exitCode);
        Environment.Exit(exitCode);
    }

    [LibraryImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void ExitAtOnce(int exitCode);

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The allocator has to be set before the first tensor, whoever makes it.")]
    internal static void OnModuleLoad() => Initialize();
}
