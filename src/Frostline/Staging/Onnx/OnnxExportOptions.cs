namespace Frostline.Staging;

/// <summary>How a network or a prefix is written as an ONNX model.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>The least operator set.</summary>
    public const int LeastOpset = 17;

    /// <summary>The greatest operator set that is known.</summary>
    public const int GreatestOpset = 23;

    /// <summary>The operator set, 17 to 23; default 17.</summary>
    public int Opset { get; init; } = LeastOpset;

    /// <summary>Whether the batch may have any size; default true. Otherwise it is the one of the shapes given.</summary>
    public bool DynamicBatch { get; init; } = true;

    /// <summary>Text entries of the model, for example class names; default none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    internal void Validate()
    {
        if (Opset is < LeastOpset or > GreatestOpset)
            throw new FrostlineException($"the ONNX operator set {Opset} is not written; choose {LeastOpset} to {GreatestOpset}");
    }
}
