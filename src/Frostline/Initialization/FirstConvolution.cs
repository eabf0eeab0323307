using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>How the input channels of a first convolution become others.</summary>
public enum ChannelRule
{
    /// <summary>
    /// Every new channel is the mean of the old ones, times old / new: w'[o, j] = (sum over i of w[o, i]) / new. For one new channel
    /// that is the sum over the old ones.
    /// </summary>
    Average,

    /// <summary>
    /// The old channels are repeated, cut to the new number and scaled by old / new: w'[o, j] = w[o, j mod old] · old / new, as
    /// <c>adapt_input_conv</c> of the Python library timm does. One new channel is the sum over the old ones, there as here.
    /// </summary>
    Repeat,
}

/// <summary>
/// A first convolution that sees another number of channels than the file's: its weight is computed from the file's, in float64 and
/// rounded once. By average, and by repetition to a multiple of the old number, an image that is equal in all channels gets the
/// response that it got.
/// </summary>
public sealed record FirstConvolution
{
    /// <summary>
    /// A selector: the weights, of sizes [outputs, inputs, height, width], of which only the inputs may differ. Where they agree,
    /// the weight is loaded as it is.
    /// </summary>
    public required string Of { get; init; }

    /// <summary>How the channels become others. Default: average.</summary>
    public ChannelRule By { get; init; } = ChannelRule.Average;

    /// <summary>How the file's weight becomes the network's, or what is in the way, to be read after the tensor's name.</summary>
    internal static (Adaptation? Adaptation, string? Problem) Plan(ChannelRule by, TensorInfo file, TensorInfo network)
    {
        var shapes = $"{file.ShapeText} in the file and {network.ShapeText} in the network";
        if (file.Shape.Count != 4 || network.Shape.Count != 4) return (null, $"is no weight of a convolution, which has 4 dimensions: {shapes}");
        if (file.Shape[0] != network.Shape[0] || !file.Shape.Skip(2).SequenceEqual(network.Shape.Skip(2)) || file.Shape[1] < 1 || network.Shape[1] < 1)
            return (null, $"may differ in its input channels only: {shapes}");
        var (outputs, old, now) = ((int)file.Shape[0], (int)file.Shape[1], (int)network.Shape[1]);
        var area = (int)(file.Shape[2] * file.Shape[3]);
        return (new Adaptation(
            $"first-conv, {by.ToString().ToLowerInvariant()} of {old} channels to {now}", weight => Channels(weight, by, outputs, old, now, area)), null);
    }

    private static double[] Channels(double[] weight, ChannelRule by, int outputs, int old, int now, int area)
    {
        var result = new double[outputs * now * area];
        for (var output = 0; output < outputs; output++)
        {
            for (var at = 0; at < area; at++)
            {
                double Old(int channel) => weight[(((output * old) + channel) * area) + at];
                var sum = 0.0;
                for (var channel = 0; channel < old; channel++) sum += Old(channel);
                for (var channel = 0; channel < now; channel++)
                    result[(((output * now) + channel) * area) + at] =
                        by == ChannelRule.Average || now == 1 ? sum / now : Old(channel % old) * old / now;
            }
        }

        return result;
    }
}
