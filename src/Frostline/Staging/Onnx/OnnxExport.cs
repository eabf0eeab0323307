using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>Writes networks as ONNX models.</summary>
public static class OnnxExport
{
    /// <summary>
    /// A whole network in inference mode as an ONNX model, norms folded into convolutions. Inputs and outputs have the network's names.
    /// </summary>
    /// <param name="network">The network; its norms and dropouts have to be in inference mode.</param>
    /// <param name="shapes">The shape of each input, the batch included. Heights and widths are fixed; the batch is free by default.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="outputs">What is put out; default <see cref="IStagedNetwork.Outputs"/>.</param>
    /// <returns>The bytes of the model.</returns>
    /// <exception cref="NotCompilableException">A stage cannot be recorded, or has no counterpart in ONNX.</exception>
    /// <exception cref="FrostlineException">A shape is missing or does not fit, or the model would have 2 GB or more.</exception>
    public static byte[] Write(
        IStagedNetwork network, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, OnnxExportOptions? options = null,
        IReadOnlyList<string>? outputs = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(shapes);
        return Write(StageSchedule.Whole(network, outputs), shapes, options);
    }

    internal static byte[] Write(StageSchedule schedule, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, OnnxExportOptions? options)
    {
        using var noGrad = no_grad();
        var owned = new List<Tensor>();
        try
        {
            return OnnxGraphWriter.Write(GraphFolding.Fold(RecordedGraph.Of(schedule, shapes), owned), options ?? new OnnxExportOptions());
        }
        finally
        {
            foreach (var tensor in owned) tensor.Dispose();
        }
    }
}
