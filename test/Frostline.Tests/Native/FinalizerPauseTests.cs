using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Frostline.Native;
using Frostline.Testing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Native;

[Collection(LibTorchCollection.Name)]
public sealed class FinalizerPauseTests
{
    private static int s_finalized;

    [Fact]
    public void No_finalizer_runs_within_a_pause_and_all_do_afterwards()
    {
        var before = Volatile.Read(ref s_finalized);
        using (FinalizerPause.Enter())
        using (FinalizerPause.Enter())
        {
            Drop();
            GC.Collect();
            Assert.False(FinalizersCatchUp());
            Assert.Equal(before, Volatile.Read(ref s_finalized));
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(before + 1, Volatile.Read(ref s_finalized));
    }

    [Fact]
    public void Pauses_of_several_threads_overlap()
    {
        var outer = FinalizerPause.Enter();
        var other = new Thread(() => FinalizerPause.Enter().Dispose());
        other.Start();
        other.Join();
        var before = Volatile.Read(ref s_finalized);
        Drop();
        GC.Collect();
        Assert.False(FinalizersCatchUp());
        Assert.Equal(before, Volatile.Read(ref s_finalized));
        outer.Dispose();
        outer.Dispose();
        using (FinalizerPause.Enter()) Assert.True(true);
        GC.WaitForPendingFinalizers();
    }

    /// <summary>Without the pause this fails within seconds: a number is freed before libtorch reads it.</summary>
    [Fact]
    public void Numbers_given_to_TorchSharp_survive_collections_started_by_other_threads()
    {
        using var counter = zeros(1, ScalarType.Int64);
        using var stop = new CancellationTokenSource();
        var allocating = new Thread(() =>
        {
            while (!stop.IsCancellationRequested) GC.KeepAlive(Enumerable.Range(0, 200).Select(_ => new byte[20_000]).ToList());
        });
        allocating.Start();
        try
        {
            for (var clock = Stopwatch.StartNew(); clock.ElapsedMilliseconds < 3000;)
            {
                using var pause = FinalizerPause.Enter();
                for (var i = 0; i < 2000; i++)
                {
                    counter.zero_();
                    counter.add_(1);
                    Assert.Equal(1, counter.item<long>());
                }
            }
        }
        finally
        {
            stop.Cancel();
            allocating.Join();
        }
    }

    /// <summary>Whether all that waits to be finalized is: at once where finalizers run, not in any time where they stand still.</summary>
    private static bool FinalizersCatchUp() => Task.Run(GC.WaitForPendingFinalizers).Wait(TimeSpan.FromMilliseconds(50));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Drop() => _ = new Witness();

    private sealed class Witness
    {
        [SuppressMessage("Design", "MA0055:Do not use finalizer", Justification = "The test is about finalizers.")]
        ~Witness() => Interlocked.Increment(ref s_finalized);
    }
}
