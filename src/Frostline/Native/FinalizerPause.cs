using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Frostline.Native;

/// <summary>
/// While one is held, no finalizer of the process runs: <c>using var pause = FinalizerPause.Enter();</c> around a step.
/// </summary>
/// <remarks>
/// <para>
/// TorchSharp turns every .NET number that it is given into a native scalar with a finalizer, takes its address and lets go of
/// the object before libtorch has read it: <c>add_(1)</c> in the forward of every training BatchNorm, and <c>alpha: -rate</c>
/// in every optimizer. A garbage collection in between, which any thread that allocates may start (one that decodes images
/// for example), lets the finalizer free the scalar. Then libtorch reads freed memory: seldom, an error such as "argument alpha
/// must not be a floating point number", and nothing keeps it from being a wrong number instead.
/// </para>
/// <para>
/// Entering costs a collection of the youngest generation, well under a millisecond. What was not disposed is freed after the
/// pause at the earliest. Pauses nest and may overlap between threads. Nothing may wait for finalizers within one
/// (<c>GC.WaitForPendingFinalizers</c>); after <see cref="Longest"/> a pause gives up by itself, so that such a mistake ends.
/// </para>
/// </remarks>
public sealed class FinalizerPause : IDisposable
{
    private static readonly Lock s_lock = new();
    private static int s_depth;
    private static Plug? s_plug;

    private bool _left;

    private FinalizerPause()
    {
    }

    /// <summary>The longest pause: five minutes.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromMinutes(5);

    /// <summary>Waits until finalizers stand still; they do so until the pause is disposed.</summary>
    public static FinalizerPause Enter()
    {
        lock (s_lock)
        {
            if (s_depth == 0) s_plug = Park();
            s_depth++;
        }

        return new FinalizerPause();
    }

    /// <summary>Lets finalizers run again, once the last pause has ended.</summary>
    public void Dispose()
    {
        lock (s_lock)
        {
            if (_left) return;
            _left = true;
            if (--s_depth > 0) return;
            s_plug!.Release.Set();
            s_plug = null;
        }
    }

    /// <summary>Makes the finalizer thread finalize an object that waits.</summary>
    private static Plug Park()
    {
        var plug = new Plug();
        do
        {
            Drop(plug);
            GC.Collect(0, GCCollectionMode.Forced, blocking: true);
        }
        while (!plug.Parked.Wait(TimeSpan.FromSeconds(1)));
        return plug;
    }

    /// <summary>In a frame of its own, so that nothing on the stack keeps the object alive.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Drop(Plug plug) => _ = new Stopper(plug);

    private sealed class Plug
    {
        internal ManualResetEventSlim Parked { get; } = new();

        internal ManualResetEventSlim Release { get; } = new();
    }

    private sealed class Stopper(Plug plug)
    {
        [SuppressMessage("Design", "MA0055:Do not use finalizer", Justification = "It exists to occupy the thread that runs finalizers.")]
        ~Stopper()
        {
            plug.Parked.Set();
            plug.Release.Wait(Longest);
        }
    }
}
