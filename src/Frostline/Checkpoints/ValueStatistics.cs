namespace Frostline.Checkpoints;

/// <summary>What the values of a tensor are like. Infinities and what is no number are counted and left out of the rest.</summary>
/// <param name="Count">How many values there are.</param>
/// <param name="NotNumbers">How many are NaN.</param>
/// <param name="Infinities">How many are infinite, of either sign.</param>
/// <param name="Mean">The mean of the finite values; null where there are none.</param>
/// <param name="StandardDeviation">The square root of their mean squared distance from the mean (divided by n, as in NumPy).</param>
/// <param name="Minimum">The least finite value.</param>
/// <param name="Maximum">The greatest finite value.</param>
public sealed record ValueStatistics(
    long Count, long NotNumbers, long Infinities, double? Mean, double? StandardDeviation, double? Minimum, double? Maximum)
{
    /// <summary>Computes the statistics in float64, in one pass over parts of 64 KiB, whatever the tensor's size.</summary>
    /// <param name="checkpoint">Where the tensor lies.</param>
    /// <param name="tensor">One of the checkpoint's tensors, of any type; <c>false</c> and <c>true</c> are 0 and 1.</param>
    /// <exception cref="CheckpointException">The tensor is not of this checkpoint, or its bytes are damaged.</exception>
    public static ValueStatistics Of(Checkpoint checkpoint, TensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(tensor);
        var moments = new Moments();
        var reader = new ElementReader(checkpoint, tensor);
        while (reader.Next()) moments.Add(reader.Values);
        return new(
            tensor.ElementCount, moments.NotNumbers, moments.Infinities, moments.Mean, moments.Deviation, moments.Minimum, moments.Maximum);
    }
}
