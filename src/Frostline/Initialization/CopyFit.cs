using System.Text.Json;
using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>How a copy inside a network becomes a tensor of another shape. Tensors of equal shapes are copied as they are.</summary>
public enum CopyFit
{
    /// <summary>Not at all: another shape is an error.</summary>
    Exact,

    /// <summary>A convolution over other input channels, each the scaled mean of the old ones, as <c>first-conv</c> by average.</summary>
    FirstConvAverage,

    /// <summary>A convolution over other input channels, the old ones repeated and scaled, as <c>first-conv</c> by repetition.</summary>
    FirstConvRepeat,

    /// <summary>The first channels of a layer that has more, as <c>narrow</c> by first.</summary>
    NarrowFirst,

    /// <summary>Groups of channels of a layer that has more, as <c>narrow</c> by average.</summary>
    NarrowAverage,

    /// <summary>The channels of a layer that has fewer, repeated, with inputs divided by the number of copies (<c>widen</c>).</summary>
    Widen,

    /// <summary>A kernel over images, repeated over time and divided by its length (<c>inflate</c>).</summary>
    Inflate,
}

/// <summary>Plans what a <see cref="CopyFit"/> does to a tensor.</summary>
internal static class CopyFitting
{
    /// <summary>The name in recipes and reports.</summary>
    public static string NameOf(CopyFit fit) => JsonNamingPolicy.KebabCaseLower.ConvertName(fit.ToString());

    /// <summary>The computation, or what is in the way, to be read after the tensor's name.</summary>
    /// <param name="fit">How; not <see cref="CopyFit.Exact"/>.</param>
    /// <param name="from">The source.</param>
    /// <param name="to">The copy, of another shape.</param>
    /// <param name="layer">The types of the layer that holds the copy, as <c>type:</c> names them.</param>
    public static (Adaptation? Adaptation, string? Problem) Plan(CopyFit fit, TensorInfo from, TensorInfo to, IReadOnlyList<string> layer)
    {
        if (Math.Max(from.ElementCount, to.ElementCount) > Adaptation.MostValues)
            return (null, $"is too large to adapt: {from.ShapeText} and {to.ShapeText}");
        var (adaptation, problem) = fit switch
        {
            CopyFit.FirstConvAverage => FirstConvolution.Plan(ChannelRule.Average, from, to),
            CopyFit.FirstConvRepeat => FirstConvolution.Plan(ChannelRule.Repeat, from, to),
            CopyFit.NarrowFirst => ChannelTransfer.Narrow(NarrowRule.First, from, to, layer),
            CopyFit.NarrowAverage => ChannelTransfer.Narrow(NarrowRule.Average, from, to, layer),
            CopyFit.Widen => ChannelTransfer.Widen(from, to, layer),
            _ => ChannelTransfer.Inflate(from, to),
        };
        // The same policies serve loads, whose other side is a file.
        return (adaptation, problem?.Replace("in the file", "in the source", StringComparison.Ordinal)
            .Replace("in the network", "in the copy", StringComparison.Ordinal));
    }
}
