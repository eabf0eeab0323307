using System.Runtime.CompilerServices;
using Frostline.Staging;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;

namespace Frostline.OnnxRuntime;

/// <summary>
/// Computes a frozen prefix with ONNX Runtime, in this process, on as many threads as libtorch has. The model is written and read in memory.
/// </summary>
public sealed class OnnxRuntimeEngine : ShapedEngine<InferenceSession>
{
    private readonly int _threads;

    /// <summary>Creates an engine and compiles it for inputs of some shapes.</summary>
    /// <param name="prefix">What it computes.</param>
    /// <param name="shapes">The shape of each input of the prefix, the batch included; others are compiled for when they come.</param>
    /// <param name="threads">How many threads; null, the default, for as many as libtorch has.</param>
    /// <exception cref="NotCompilableException">A stage cannot be recorded, or has no counterpart in ONNX.</exception>
    /// <exception cref="FrostlineException">A shape is missing or does not fit, or ONNX Runtime refuses the model.</exception>
    public OnnxRuntimeEngine(FrozenPrefix prefix, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, int? threads = null)
        : base(prefix)
    {
        _threads = threads ?? torch.get_num_threads();
        Prepare(shapes);
    }

    /// <inheritdoc/>
    public override string Name => "onnxruntime";

    /// <inheritdoc/>
    protected override InferenceSession Compile(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        var session = Open(shapes);
        // The model's bytes, as many as the weights have, would stay with the process until some full collection.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return session;
    }

    /// <summary>In a frame of its own, so that nothing on the stack keeps the model's bytes.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private InferenceSession Open(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes) => OnnxSession.Open(Prefix.ToOnnx(shapes), _threads);

    /// <inheritdoc/>
    protected override IReadOnlyDictionary<string, torch.Tensor> Run(InferenceSession program, IReadOnlyDictionary<string, torch.Tensor> inputs) =>
        OnnxSession.Run(program, inputs);
}
