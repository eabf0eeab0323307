using Frostline.Staging;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// A key frame and its supporting frames as rows of a batch, sample after sample: so that a backbone looks at each frame alone, and what it puts
/// out is stored for each.
/// </summary>
internal static class FrameRows
{
    /// <summary>Joins frames.</summary>
    /// <param name="title">The network's name for messages.</param>
    /// <param name="key">The key frames, <c>[B, C, H, W]</c>.</param>
    /// <param name="supports">The supporting frames, <c>[B, S C, H, W]</c>.</param>
    /// <param name="count">How many supporting frames, S.</param>
    /// <returns><c>[B (1 + S), C, H, W]</c>, owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">The shapes do not fit.</exception>
    public static Tensor Join(string title, Tensor key, Tensor supports, int count)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(supports);
        if (key.shape is not [var samples, var channels, var height, var width] || !supports.shape.SequenceEqual([samples, count * channels, height, width]))
            throw new FrostlineException(
                $"{title} reads key frames [B, C, H, W] and {count} supporting frames of each, [B, {count} C, H, W], but gets " +
                $"[{string.Join(", ", key.shape)}] and [{string.Join(", ", supports.shape)}]");
        using var joined = cat([key, supports], 1);
        return joined.reshape(samples * (1 + count), channels, height, width);
    }

    /// <summary>The maps of a sample's frames.</summary>
    /// <param name="operations">The interpreter.</param>
    /// <param name="title">The network's name for messages.</param>
    /// <param name="x"><c>[B F, C, H, W]</c>, sample after sample.</param>
    /// <param name="frames">How many frames a sample has, F.</param>
    /// <returns>F values <c>[B, C, H, W]</c>; the first is the key frame's.</returns>
    /// <exception cref="FrostlineException">The number of rows is no multiple of F.</exception>
    public static IReadOnlyList<Value> Split(Operations operations, string title, Value x, int frames)
    {
        if (x.Shape[0] % frames != 0)
            throw new FrostlineException(
                $"{title} reads {frames} rows of each sample, its key frame and {frames - 1} supporting frames, but gets {x.Shape[0]} rows; " +
                "give it all frames of each sample, one behind the other");
        var channels = x.Shape[1];
        var samples = operations.Reshape(x, [-1, frames * channels, x.Shape[2], x.Shape[3]]);
        return [.. Enumerable.Range(0, frames).Select(frame => operations.Slice(samples, 1, frame * channels, (frame + 1) * channels))];
    }
}
