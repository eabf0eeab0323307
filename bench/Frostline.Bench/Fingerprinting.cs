using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Native;

namespace Frostline.Bench;

/// <summary>
/// Fingerprints of a network of 255 MB against reading the same memory once with equally many threads: the audit is to take no more
/// than twice as long as memory needs to give its bytes.
/// </summary>
internal static class Fingerprinting
{
    private const int Repeats = 15;
    private const int WarmUp = 10;
    private const double Limit = 2;

    public static int Run()
    {
        NativeRuntime.Load();
        using var network = new WideNetwork();
        var tensors = ModuleTree.Of(network).DistinctTensors.Select(entry => entry.Tensor).ToList();
        var bytes = tensors.Sum(TensorBytes.Count);
        var (reads, prints) = (new List<double>(), new List<double>());
        ulong sum = 0;
        for (var i = -WarmUp; i < Repeats; i++)
        {
            var read = Time(() => Parallel.ForEach(
                tensors,
                new ParallelOptions { MaxDegreeOfParallelism = Processors.PhysicalCores },
                tensor => TensorBytes.Use(tensor, span => Interlocked.Add(ref sum, SumOf(span)))));
            var print = Time(() => Fingerprints.Of(network));
            if (i < 0) continue;
            reads.Add(read);
            prints.Add(print);
        }

        var (once, taken) = (Medians.Of(reads), Medians.Of(prints));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            | {bytes / 1e6:F0} MB of parameters, {Processors.PhysicalCores} threads | milliseconds | GB/s |
            | --- | ---: | ---: |
            | reading the bytes (a sum, {sum:x}) | {once:F1} | {bytes / once / 1e6:F1} |
            | fingerprints (XXH128), names and all | {taken:F1} | {bytes / taken / 1e6:F1} |
            | ratio (limit {Limit}) | {taken / once:F2} | |
            """));
        return taken / once <= Limit ? 0 : 1;
    }

    /// <summary>The sum of the bytes as 64-bit words, by the widest registers there are: nothing that waits for anything but memory.</summary>
    private static ulong SumOf(ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, Vector<ulong>>(bytes);
        var (one, other) = (Vector<ulong>.Zero, Vector<ulong>.Zero);
        for (var i = 0; i + 1 < words.Length; i += 2)
        {
            one += words[i];
            other += words[i + 1];
        }

        return Vector.Sum(one + other);
    }

    private static double Time(Action action)
    {
        var clock = Stopwatch.StartNew();
        action();
        return clock.Elapsed.TotalMilliseconds;
    }
}
