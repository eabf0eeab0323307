using Frostline.Staging;

namespace Frostline.Vision.Networks;

/// <summary>Refuses what a network of images cannot read, before libtorch says it less clearly.</summary>
internal static class ImageInput
{
    /// <summary>Checks a batch of images.</summary>
    /// <param name="x">What the network was given.</param>
    /// <param name="network">The network's name for the message.</param>
    /// <param name="channels">How many channels it reads.</param>
    /// <param name="smallest">The smallest height and width in pixels.</param>
    /// <returns><paramref name="x"/>.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public static Value Check(Value x, string network, int channels, int smallest)
    {
        var shape = x.Shape;
        if (shape.Count != 4)
            throw new FrostlineException(
                $"{network} reads a batch of images [N, {channels}, H, W] but gets " +
                $"{x.ShapeText}{(shape.Count == 3 ? "; add the batch dimension" : "")}");
        if (shape[1] != channels)
            throw new FrostlineException(
                $"{network} reads images of {channels} channel{(channels == 1 ? "" : "s")} but gets " +
                $"{x.ShapeText}{ChannelHint(shape, channels)}");
        if (shape[2] < smallest || shape[3] < smallest)
            throw new FrostlineException(
                $"{network} reads images of at least {smallest} x {smallest} pixels but gets {x.ShapeText}; resize them");
        return x;
    }

    /// <summary>Checks a batch of images whose height and width have to be multiples of a number.</summary>
    /// <param name="x">What the network was given.</param>
    /// <param name="network">The network's name for the message.</param>
    /// <param name="channels">How many channels it reads.</param>
    /// <param name="multiple">The number.</param>
    /// <returns><paramref name="x"/>.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public static Value CheckMultiple(Value x, string network, int channels, int multiple)
    {
        var shape = Check(x, network, channels, multiple).Shape;
        if (shape[2] % multiple == 0 && shape[3] % multiple == 0) return x;
        throw new FrostlineException(
            $"{network} reads images whose height and width are multiples of {multiple} but gets {x.ShapeText}; resize or crop them, for example to "
            + $"{Nearest(shape[2])} x {Nearest(shape[3])}");

        long Nearest(long size) => Math.Max(multiple, (size + (multiple / 2)) / multiple * multiple);
    }

    private static string ChannelHint(IReadOnlyList<long> shape, int channels) =>
        shape[3] == channels ? "; channels come before height and width" : $"; convert them, or create the network with {shape[1]} input channels";
}
