using System.Diagnostics;
using System.Globalization;
using Frostline.Native;
using Frostline.Staging;
using static TorchSharp.torch;

namespace Frostline.Bench;

/// <summary>
/// Four modulated deformable convolutions behind each other, forward and backward, at the sizes of FAMI-Pose: one map of 48 channels, 96 x 72,
/// 3 x 3 with dilation 3, 12 groups of offsets. Gradients are taken of the map, offsets, masks, weights and biases.
/// </summary>
internal static class DeformableConvolutions
{
    private const long Channels = 48, Height = 96, Width = 72, Groups = 12, Taps = 9, Dilation = 3;
    private const int Layers = 4;
    private const int WarmUp = 20;
    private const int Repeats = 30;

    public static int Run()
    {
        NativeRuntime.Load();
        random.manual_seed(1);
        using var scope = NewDisposeScope();
        var layers = Enumerable.Range(0, Layers).Select(_ => new DeformableConvolution(Channels, Channels, 3, padding: Dilation, dilation: Dilation)).ToArray();
        var map = Leaf(Channels);
        var offsets = layers.Select(_ => Leaf(2 * Groups * Taps)).ToArray();
        var masks = layers.Select(_ => Leaf(Groups * Taps)).ToArray();

        // A short one first, so that code and libraries are there; what the first whole one needs on top is its own.
        Step(layers[..1], map, offsets, masks);
        var before = AnonymousMemory.Of(Environment.ProcessId);
        using var watch = new PeakWatch();
        Step(layers, map, offsets, masks);
        var peak = watch.Stop() - before;

        var (forward, backward) = (new List<double>(), new List<double>());
        for (var i = -WarmUp; i < Repeats; i++)
        {
            var (there, back) = Step(layers, map, offsets, masks);
            if (i < 0) continue;
            forward.Add(there);
            backward.Add(back);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            | four deformable convolutions, [1, {Channels}, {Height}, {Width}], 3 x 3, dilation {Dilation}, {get_num_threads()} threads | |
            | --- | ---: |
            | forward, milliseconds, median of {Repeats} | {Medians.Of(forward):F1} |
            | backward, milliseconds, median of {Repeats} | {Medians.Of(backward):F1} |
            | anonymous memory on top of inputs, weights and code, at its peak, MB | {peak / 1e6:F1} |
            | for comparison: one unfolded map, MB | {Channels * Taps * Height * Width * sizeof(float) / 1e6:F1} |
            | for comparison: gradients of all offsets and masks, MB | {Layers * 3 * Groups * Taps * Height * Width * sizeof(float) / 1e6:F1} |
            """));
        foreach (var layer in layers) layer.Dispose();
        return 0;
    }

    private static Tensor Leaf(long channels) => randn(1, channels, Height, Width).requires_grad_();

    private static (double Forward, double Backward) Step(DeformableConvolution[] layers, Tensor map, Tensor[] offsets, Tensor[] masks)
    {
        using var scope = NewDisposeScope();
        foreach (var leaf in offsets.Concat(masks).Append(map).Concat(layers.SelectMany(layer => layer.parameters()))) leaf.grad = null;
        var clock = Stopwatch.StartNew();
        var value = map;
        for (var i = 0; i < layers.Length; i++) value = layers[i].call(value, offsets[i], masks[i]);
        var forward = clock.Elapsed.TotalMilliseconds;
        value.sum().backward();
        return (forward, clock.Elapsed.TotalMilliseconds - forward);
    }

    /// <summary>Looks at the process's anonymous memory as often as it can, on a thread of its own.</summary>
    private sealed class PeakWatch : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _ends;
        private long _peak;

        public PeakWatch()
        {
            _thread = new Thread(() =>
            {
                while (!_ends) _peak = Math.Max(_peak, AnonymousMemory.Of(Environment.ProcessId));
            });
            _thread.Start();
        }

        /// <summary>The most that was seen, in bytes.</summary>
        public long Stop()
        {
            Dispose();
            return Math.Max(_peak, AnonymousMemory.Of(Environment.ProcessId));
        }

        public void Dispose()
        {
            _ends = true;
            _thread.Join();
        }
    }
}
