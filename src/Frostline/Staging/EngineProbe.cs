using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Frostline.Native;
using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// Tries in a child process whether this processor survives a prefix in brain floating point: for some shapes libtorch's kernels divide by zero
/// (pytorch/pytorch issue 177227), which ends a process and cannot be caught. The child is this program, started again: a program that wants
/// brain floating point calls <see cref="Answer"/> first thing in its <c>Main</c>, as <c>frostline</c> does.
/// </summary>
public static class EngineProbe
{
    private const string Argument = "--frostline-engine-probe";
    private const string Survived = "survived";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    /// <summary>
    /// How a program that calls <see cref="Answer"/> is started: its file and arguments. <see cref="Answer"/> sets it to this program; null before,
    /// and then there are no probes.
    /// </summary>
    public static IReadOnlyList<string>? Program { get; set; }

    /// <summary>To be called first thing in <c>Main</c>: makes probes possible, and answers where this process is one.</summary>
    /// <param name="args">The arguments of <c>Main</c>.</param>
    /// <returns>Whether this process is a probe; it has answered, and should end with exit code 0.</returns>
    public static bool Answer(IReadOnlyList<string> args)
    {
        ArgumentNullException.ThrowIfNull(args);
        if (args is [Argument, var threads])
        {
            Run(int.Parse(threads, CultureInfo.InvariantCulture));
            return true;
        }

        if (Environment.ProcessPath is { } host && Assembly.GetEntryAssembly()?.Location is { Length: > 0 } entry)
            Program = Path.GetFileNameWithoutExtension(host) == "dotnet" ? [host, "exec", entry] : [host];
        return false;
    }

    /// <summary>Tries a prefix in brain floating point in a child process.</summary>
    /// <param name="prefix">The prefix.</param>
    /// <param name="shapes">The shape of each of its inputs, the batch included.</param>
    /// <param name="threads">With how many threads libtorch computes.</param>
    /// <returns>Null where it works; else why it does not, in one line.</returns>
    /// <exception cref="NotCompilableException">The prefix cannot be compiled.</exception>
    public static string? Problem(FrozenPrefix prefix, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, int threads)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentNullException.ThrowIfNull(shapes);
        if (Program is not { Count: > 0 } command)
            return "this program does not answer probes (EngineProbe.Answer), and libtorch could end it";
        var layers = RecordedGraph.Of(prefix.Schedule, shapes).Nodes.Select(Layer.Of).OfType<Layer>()
            .Select(layer => JsonSerializer.Serialize(layer)).Distinct(StringComparer.Ordinal).ToList();
        var start = new ProcessStartInfo(command[0], [.. command.Skip(1), Argument, threads.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        try
        {
            using var process = Process.Start(start)!;
            return Ask(process, layers);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            return $"{command[0]} cannot be started to try it: {error.Message}";
        }
    }

    // Apart, so that a program that is no probe does not load TorchSharp for having asked.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Run(int threads)
    {
        NativeRuntime.Load(threads);
        while (Console.In.ReadLine() is { Length: > 0 } line) Try(JsonSerializer.Deserialize<Layer>(line)!);
        Console.Out.WriteLine(Survived);
    }

    private static string? Ask(Process process, List<string> layers)
    {
        // All streams at once: none of them may fill up while another is waited for.
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            foreach (var layer in layers) process.StandardInput.WriteLine(layer);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended while it was asked; its exit code says how.
        }

        if (!process.WaitForExit(s_patience))
        {
            process.Kill();
            return FormattableString.Invariant($"a process that tried it did not end in {s_patience.TotalMinutes} minutes");
        }

        Task.WaitAll(output, errors);
        return process.ExitCode == 0 && output.Result.Contains(Survived, StringComparison.Ordinal)
            ? null
            : $"a process that tried it ended with exit code {process.ExitCode}";
    }

    private static void Try(Layer layer)
    {
        using var scope = NewDisposeScope();
        using var program = new GraphProgram(layer.ToGraph(), bfloat16);
        _ = program.Run(new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["x"] = zeros(layer.Input, bfloat16) });
    }

    /// <summary>A layer with kernels of its own; values do not matter.</summary>
    private sealed record Layer(
        bool IsLinear, bool IsTransposed, long[] Input, long[] Weight, long[] Stride, long[]? Padding, long[] Dilation, long[] OutputPadding, long Groups)
    {
        public static Layer? Of(GraphNode node) => node.Step switch
        {
            ConvolutionStep step => new Layer(
                false, step.IsTransposed, [.. node.Inputs[0].Shape], step.Weight.shape, step.Stride, step.Padding, step.Dilation, step.OutputPadding, step.Groups),
            LinearStep step => new Layer(true, false, [.. node.Inputs[0].Shape], step.Weight.shape, [], [], [], [], 1),
            _ => null,
        };

        public RecordedGraph ToGraph()
        {
            var weight = zeros(Weight);
            GraphStep step = IsLinear ? new LinearStep(weight, null) : new ConvolutionStep(weight, null, Stride, Padding, Dilation, OutputPadding, Groups, IsTransposed);
            var input = new GraphNode(0, new InputStep("x"), [], Input);
            var layer = new GraphNode(1, step, [input], []);
            return new RecordedGraph([input, layer], [("y", layer)]);
        }
    }
}
