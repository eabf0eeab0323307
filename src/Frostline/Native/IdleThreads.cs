using System.Runtime.InteropServices;

namespace Frostline.Native;

/// <summary>
/// How libtorch's OpenMP threads wait for each other. By default they spin, which collapses as soon as anything else wants the
/// processor (two threads, two cores, a busy machine: a small ResNet trains three times slower than with sleeping threads), and
/// Frostline's own workers, which decode images ahead of training, are something else. So threads sleep at once, unless the
/// environment says otherwise: <c>OMP_WAIT_POLICY</c> or <c>GOMP_SPINCOUNT</c>, as OpenMP and GCC define them. Results do not
/// change by a bit.
/// </summary>
internal static class IdleThreads
{
    /// <summary>Sets the policy; libtorch reads it when it is loaded. Does nothing outside Linux.</summary>
    public static unsafe void Apply()
    {
        if (!OperatingSystem.IsLinux()) return;
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is not null || Environment.GetEnvironmentVariable("GOMP_SPINCOUNT") is not null) return;

        // .NET keeps its own copy of the environment, so only the C library's setenv reaches libgomp.
        if (!NativeLibrary.TryLoad("libc.so.6", out var libc) || !NativeLibrary.TryGetExport(libc, "setenv", out var setenv)) return;
        fixed (byte* name = "OMP_WAIT_POLICY\0"u8, value = "PASSIVE\0"u8)
            ((delegate* unmanaged[Cdecl]<byte*, byte*, int, int>)setenv)(name, value, 0);
    }
}
