using Frostline.Training.Losses;
using TorchSharp;
using static TorchSharp.torch;

namespace Frostline.Vision.Pose;

/// <summary>How the terms of mutual information are computed.</summary>
public enum MutualInformationForm
{
    /// <summary>As the paper means them: divergences of distributions, six different ones.</summary>
    Paper,

    /// <summary>
    /// As the published code computes them: where a divergence takes the logarithm of the reference's probabilities it is given the
    /// probabilities themselves, all terms are of the aggregated features, and the sixth is the second once more.
    /// </summary>
    ReleasedCode,
}

/// <summary>
/// The mutual-information terms of FAMI-Pose (Liu et al., CVPR 2022, section 3.3): how far what the network has made of the supporting frames agrees
/// with the key frame, with what it was made of, and with the heatmaps.
/// </summary>
/// <remarks>
/// <para>
/// Each map becomes a distribution over its positions by a softmax at a temperature. A term is the divergence KL(p || q) = p (log p - log q),
/// its mean over all elements, of a distribution p, to which gradients go, from a reference q, to which none go. With y the heatmaps, h the
/// HRNet's last layer, z the key frame's features, s the supporting frames' after global alignment, a after local alignment and c the
/// features aggregated from z and a:
/// </para>
/// <para>
/// <see cref="MutualInformationForm.Paper"/>: y from h(a), a from z, y from h(s), a from s, y from h(z), c from z.
/// <see cref="MutualInformationForm.ReleasedCode"/>: y from h(c), c from z, y from h(s), c from s, y from h(z), c from z, with q where log q is
/// meant.
/// </para>
/// </remarks>
public static class MutualInformation
{
    /// <summary>The published temperature of the softmax.</summary>
    public const double Temperature = 0.05;

    private const string Reader = "mutual information";

    /// <summary>The six terms.</summary>
    /// <param name="outputs">The heatmaps, and <see cref="Networks.FamiPose.InformationOutputs"/>.</param>
    /// <param name="form">How they are computed; default as in the paper.</param>
    /// <param name="temperature">The temperature of the softmax; default <see cref="Temperature"/>.</param>
    /// <param name="heatmaps">The name of the heatmaps.</param>
    /// <returns>Six scalars with their graphs, owned by the caller's scope.</returns>
    /// <exception cref="FrostlineException">An output is absent.</exception>
    public static IReadOnlyList<Tensor> Terms(
        IReadOnlyDictionary<string, Tensor> outputs, MutualInformationForm form = MutualInformationForm.Paper, double temperature = Temperature,
        string heatmaps = "heatmaps")
    {
        ArgumentNullException.ThrowIfNull(outputs);
        var aligned = form == MutualInformationForm.Paper;
        (string Reference, string Of)[] pairs =
        [
            (aligned ? "aligned_labels" : "labels", heatmaps),
            ("key_features", aligned ? "dcn_4" : "features"),
            ("support_labels", heatmaps),
            ("support_features", aligned ? "dcn_4" : "features"),
            ("key_labels", heatmaps),
            ("key_features", "features"),
        ];
        return [.. pairs.Select(pair => Term(outputs.Output(pair.Reference, Reader), outputs.Output(pair.Of, Reader), form, temperature))];
    }

    private static Tensor Term(Tensor reference, Tensor map, MutualInformationForm form, double temperature)
    {
        using var scope = NewDisposeScope();
        using Scalar minus = -1;
        var p = Logarithms(map, temperature);
        var q = Logarithms(reference.detach(), temperature);
        if (form == MutualInformationForm.ReleasedCode) q = q.exp();
        return p.exp().mul(p.add(q, minus)).mean().MoveToOuterDisposeScope();
    }

    /// <summary>The logarithms of a map's distribution over its positions, [N * C, H * W].</summary>
    private static Tensor Logarithms(Tensor map, double temperature)
    {
        using Scalar sharpness = 1 / temperature;
        return nn.functional.log_softmax(map.flatten(2).flatten(0, 1).mul(sharpness), 1);
    }
}
