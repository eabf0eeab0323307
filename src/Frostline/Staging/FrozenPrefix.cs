using System.IO.Hashing;
using System.Text;
using Frostline.Freezing;
using Frostline.Modules;
using TorchSharp;

namespace Frostline.Staging;

/// <summary>
/// The stages of a network below the frost line, which nothing can change: a pure function from the network's inputs to the tensors that the
/// stages above it read. It is valid as long as the plan from which it was made: after <see cref="FrozenModel.Update"/> make it anew.
/// </summary>
public sealed class FrozenPrefix
{
    private readonly IStagedNetwork _network;

    private FrozenPrefix(IStagedNetwork network, string? frostLine, StageSchedule prefix, StageSchedule? suffix) =>
        (_network, FrostLine, Schedule, Suffix) = (network, frostLine, prefix, suffix);

    /// <summary>The first stage that can change; null where none can.</summary>
    public string? FrostLine { get; }

    /// <summary>The stages that run, with what they read and put out. What no stage above the frost line needs is not among them.</summary>
    public StageSchedule Schedule { get; }

    /// <summary>The stages from the frost line on; null where none can change.</summary>
    public StageSchedule? Suffix { get; }

    /// <summary>Finds the frozen prefix of a network under a plan.</summary>
    /// <param name="frozen">The network with its plan.</param>
    /// <param name="outputs">What the network is to put out; default <see cref="IStagedNetwork.Outputs"/>.</param>
    /// <param name="reason">Why there is none, in a few words; null where there is one.</param>
    /// <returns>The prefix, or null.</returns>
    public static FrozenPrefix? Find(FrozenModel frozen, IReadOnlyList<string>? outputs, out string? reason)
    {
        ArgumentNullException.ThrowIfNull(frozen);
        reason = null;
        if (frozen.Network is not IStagedNetwork network) reason = "the network does not show its stages";
        else if (frozen.FrostLine is null) return new FrozenPrefix(network, null, StageSchedule.Whole(network, outputs), null);
        else if (StageSchedule.Prefix(network, frozen.FrostLine, outputs) is { Stages.Count: > 0 } prefix)
            return new FrozenPrefix(network, frozen.FrostLine, prefix, StageSchedule.Suffix(network, frozen.FrostLine, outputs));
        else reason = $"nothing that the stage {frozen.FrostLine} and those above it need is frozen";
        return null;
    }

    /// <summary>The engine that runs the stages as they are; the reference for all others.</summary>
    public IPrefixEngine Plain() => new PlainEngine(Schedule);

    /// <summary>The engine on libtorch, compiled for inputs of some shapes.</summary>
    /// <param name="shapes">The shape of each input of the prefix, the batch included; others are compiled for when they come.</param>
    /// <param name="precision">
    /// What it computes in. In <see cref="EnginePrecision.Bfloat16"/> libtorch ends the process for some shapes on some processors: ask
    /// <see cref="EngineProbe"/> first. That engine takes as many rows at a time as <paramref name="shapes"/> have.
    /// </param>
    /// <exception cref="NotCompilableException">A stage cannot be recorded; the message names it and says why.</exception>
    /// <exception cref="FrostlineException">A shape is missing or does not fit.</exception>
    public IPrefixEngine Compile(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, EnginePrecision precision = EnginePrecision.Float32)
    {
        ArgumentNullException.ThrowIfNull(shapes);
        ShapedEngine<GraphProgram> engine = precision == EnginePrecision.Float32
            ? new LibtorchEngine(this)
            : new Bfloat16Engine(this, (int)Math.Min(shapes.Values.First()[0], int.MaxValue));
        try
        {
            engine.Prepare(shapes);
            return engine;
        }
        catch
        {
            engine.Dispose();
            throw;
        }
    }

    /// <summary>The prefix as an ONNX model, norms folded, whose inputs and outputs have the prefix's names.</summary>
    /// <param name="shapes">The shape of each input of the prefix, the batch included. Heights and widths are fixed.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <returns>The bytes of the model.</returns>
    /// <exception cref="NotCompilableException">A stage cannot be recorded, or has no counterpart in ONNX.</exception>
    /// <exception cref="FrostlineException">A shape is missing or does not fit, or the model would have 2 GB or more.</exception>
    public byte[] ToOnnx(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(shapes);
        return OnnxExport.Write(Schedule, shapes, options);
    }

    /// <summary>
    /// What the prefix computes, as a hash (XXH128, 32 hexadecimal digits): over the structure and weights of what is recorded or, where
    /// that is impossible, over the names of the stages, all of their parameters and buffers, and the version of the network's assembly.
    /// Equal identities compute equal functions; a network in another assembly or of other weights has another.
    /// </summary>
    /// <param name="shapes">The shape of each input of the prefix, the batch included.</param>
    /// <exception cref="FrostlineException">A shape is missing or does not fit.</exception>
    public string Identity(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        ArgumentNullException.ThrowIfNull(shapes);
        try
        {
            return RecordedGraph.Of(Schedule, shapes).Identity();
        }
        catch (NotCompilableException)
        {
            return IdentityOfModules();
        }
    }

    /// <summary>
    /// How far an engine's results are from another's: for each output the Euclidean norm of the difference over that of the reference, the
    /// largest of them. 0 for equal results; infinite where shapes differ or a number is none.
    /// </summary>
    /// <param name="engine">The engine.</param>
    /// <param name="reference">What it is compared with, for example <see cref="Plain"/>.</param>
    /// <param name="inputs">A few real samples.</param>
    public static double RelativeError(IPrefixEngine engine, IPrefixEngine reference, IReadOnlyDictionary<string, torch.Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(reference);
        using var scope = torch.NewDisposeScope();
        return RelativeError(engine.Run(inputs), reference.Run(inputs));
    }

    /// <summary>As of the other overload, for results that are at hand.</summary>
    /// <param name="results">What was computed, by name.</param>
    /// <param name="expected">What it is compared with.</param>
    public static double RelativeError(IReadOnlyDictionary<string, torch.Tensor> results, IReadOnlyDictionary<string, torch.Tensor> expected)
    {
        ArgumentNullException.ThrowIfNull(results);
        ArgumentNullException.ThrowIfNull(expected);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        return expected.Max(output => results.TryGetValue(output.Key, out var result) && result.shape.SequenceEqual(output.Value.shape)
            ? Distance(result.to(torch.float64), output.Value.to(torch.float64))
            : double.PositiveInfinity);
    }

    private static double Distance(torch.Tensor result, torch.Tensor expected)
    {
        var (difference, size) = ((result - expected).norm().item<double>(), expected.norm().item<double>());
        if (!double.IsFinite(difference)) return double.PositiveInfinity;
        return difference == 0 ? 0 : difference / size;
    }

    private string IdentityOfModules()
    {
        var hash = new XxHash128();
        var type = _network.GetType();
        hash.Append(Encoding.UTF8.GetBytes($"{type.FullName} {type.Module.ModuleVersionId}\n{string.Join('\n', Schedule.Stages.Select(stage => stage.Name))}\n"));
        var stages = Schedule.Stages.Select(stage => stage.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var entry in ModuleTree.Of((torch.nn.Module)_network).DistinctTensors.Where(entry => entry.Stage is { } stage && stages.Contains(stage)))
        {
            hash.Append(Encoding.UTF8.GetBytes($"{entry.Name} {entry.Tensor.dtype} {string.Join('x', entry.Tensor.shape)}\n"));
            TensorBytes.Use(entry.Tensor, hash.Append);
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
