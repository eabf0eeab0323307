using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>How a policy computes a tensor's values from a file's, whose shape is another. Checked when it is made.</summary>
/// <param name="Text">The policy and what it does, for reports.</param>
/// <param name="Compute">The network's values, row by row, from the file's; in float64.</param>
internal sealed record Adaptation(string Text, Func<double[], double[]> Compute)
{
    /// <summary>The most values on either side: as float64 they fit into an array.</summary>
    public const long MostValues = 1 << 28;

    /// <summary>The values as they are stored in the network: rounded once, at the end.</summary>
    public byte[] Apply(ReadOnlySpan<byte> file, TensorType type, TensorInfo network)
    {
        var values = new double[file.Length / type.Size()];
        Elements.ToDouble(file, type, values);
        var bytes = new byte[network.ByteCount];
        Elements.FromDouble(Compute(values), network.Type, bytes);
        return bytes;
    }
}
