using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Native;
using TorchSharp;

namespace Frostline.Bench;

/// <summary>
/// Loading a network of 255 MB: from safetensors against copying the same bytes, and from <c>.pth</c> against PyTorch, whole
/// processes.
/// </summary>
internal static class Loading
{
    private const int Repeats = 15;

    // Until .NET has compiled everything that is called often a second time, with all optimisations.
    private const int WarmUp = 40;
    private const double CopyLimit = 1.3;
    private const double PyTorchLimit = 3;

    private const string PyTorch = """
        import sys, torch
        torch.set_num_threads(2)
        class Layer(torch.nn.Module):
            def __init__(self, c):
                super().__init__()
                self.conv = torch.nn.Conv2d(c, c, 3, padding=1, bias=False)
                self.norm = torch.nn.BatchNorm2d(c)
        class Wide(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.ModuleList([Layer(c) for c, n in PLAN for _ in range(n)])
        network = Wide()
        network.load_state_dict(torch.load(sys.argv[1]))
        """;

    public static int Run()
    {
        NativeRuntime.Load();
        var (safetensors, pth) = (Path.Combine(Repository.Artifacts, "wide.safetensors"), Path.Combine(Repository.Artifacts, "wide.pth"));
        using (var network = new WideNetwork()) Write(network, safetensors, pth);
        var copying = AgainstCopying(safetensors);
        var python = AgainstPyTorch(pth);
        return copying <= CopyLimit && python >= PyTorchLimit ? 0 : 1;
    }

    /// <summary>What the child process of the second comparison does.</summary>
    public static int Once(string file)
    {
        // Neither opening nor reading a checkpoint needs libtorch, so they need not wait for it.
        var opening = Task.Run(() =>
        {
            var opened = Checkpoint.Open(file);
            opened.ContentHash();
            return opened;
        });
        NativeRuntime.Load();
        using var network = DeferredInitialization.Construct(() => new WideNetwork());
        using var checkpoint = opening.GetAwaiter().GetResult();
        new InitializationPlan().Load("**", checkpoint).Apply(network, seed: 0);
        NativeRuntime.Exit(0);
        return 0;
    }

    private static void Load(WideNetwork network, string file)
    {
        using var checkpoint = Checkpoint.Open(file);
        new InitializationPlan().Load("**", checkpoint).Apply(network, seed: 0);
    }

    private static void Write(WideNetwork network, string safetensors, string pth)
    {
        var tensors = ModuleTree.Of(network).Tensors
            .Select(entry => TensorSource.From(
                new TensorInfo(entry.Name, TensorBytes.TypeOf(entry.Tensor), entry.Tensor.shape), TensorBytes.Read(entry.Tensor)))
            .ToList();
        SafetensorsWriter.Write(safetensors, tensors);
        PyTorchWriter.Write(pth, tensors);
    }

    /// <summary>In one process, in turns, with equally many threads.</summary>
    private static double AgainstCopying(string file)
    {
        using var network = new WideNetwork();
        var places = Places(network, file);
        var (copies, loads) = (new List<double>(), new List<double>());
        for (var i = -WarmUp; i < Repeats; i++)
        {
            var copy = Time(() => Copy(places, file));
            var load = Time(() => Load(network, file));
            if (i < 0) continue;
            copies.Add(copy);
            loads.Add(load);
        }

        var (copied, loaded) = (Medians.Of(copies), Medians.Of(loads));
        Print($"""
            | {new FileInfo(file).Length / 1e6:F0} MB into parameters, {Processors.PhysicalCores} threads | milliseconds |
            | --- | ---: |
            | reading the file's bytes into them | {copied:F1} |
            | checkpoint, plan, report | {loaded:F1} |
            | ratio (limit {CopyLimit}) | {loaded / copied:F2} |

            """);
        return loaded / copied;
    }

    /// <summary>
    /// The baseline: the same bytes from the same file into the same memory, tensor by tensor, on as many threads, with nothing
    /// checked and nothing reported. Where they lie is not counted.
    /// </summary>
    private static void Copy(IReadOnlyList<(torch.Tensor Tensor, long Offset)> places, string file)
    {
        using var handle = File.OpenHandle(file);
        Parallel.ForEach(places, new ParallelOptions { MaxDegreeOfParallelism = Processors.PhysicalCores }, place =>
        {
            var target = place.Tensor.bytes;
            if (RandomAccess.Read(handle, target, place.Offset) != target.Length) throw new EndOfStreamException(file);
        });
    }

    /// <summary>The file has the network's tensors in its order, one after the other.</summary>
    private static List<(torch.Tensor Tensor, long Offset)> Places(WideNetwork network, string file)
    {
        Span<byte> length = stackalloc byte[8];
        using (var stream = File.OpenRead(file)) stream.ReadExactly(length);
        var offset = 8 + BinaryPrimitives.ReadInt64LittleEndian(length);
        var places = new List<(torch.Tensor, long)>();
        foreach (var entry in ModuleTree.Of(network).Tensors)
        {
            places.Add((entry.Tensor, offset));
            offset += TensorBytes.Count(entry.Tensor);
        }

        return places;
    }

    private static double AgainstPyTorch(string file)
    {
        var program = Repository.Publish(Path.Combine("bench", "Frostline.Bench"), "Frostline.Bench");
        var plan = string.Join(", ", WideNetwork.Plan.Select(part => FormattableString.Invariant($"({part.Channels}, {part.Layers})")));
        var script = Path.Combine(Repository.Artifacts, "load.py");
        File.WriteAllText(script, PyTorch.Replace("PLAN", $"[{plan}]", StringComparison.Ordinal));
        var (ours, theirs) = (new List<double>(), new List<double>());
        for (var i = -1; i < 7; i++)
        {
            var a = Time(() => Repository.Start(program, "load-once", file));
            var b = Time(() => Repository.Start("/usr/bin/python3", Repository.Allocator, script, file));
            if (i < 0) continue;
            ours.Add(a);
            theirs.Add(b);
        }

        Print($"""
            | process start, network, {new FileInfo(file).Length / 1e6:F0} MB .pth | milliseconds |
            | --- | ---: |
            | PyTorch: torch.load and load_state_dict | {Medians.Of(theirs):F0} |
            | Frostline | {Medians.Of(ours):F0} |
            | ratio (limit {PyTorchLimit}) | {Medians.Of(theirs) / Medians.Of(ours):F2} |
            """);
        return Medians.Of(theirs) / Medians.Of(ours);
    }

    private static void Print(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private static double Time(Action action)
    {
        var clock = Stopwatch.StartNew();
        action();
        return clock.Elapsed.TotalMilliseconds;
    }
}
