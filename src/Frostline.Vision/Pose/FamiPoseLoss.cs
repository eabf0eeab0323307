using Frostline.Training.Losses;
using TorchSharp;
using static TorchSharp.torch;

namespace Frostline.Vision.Pose;

/// <summary>Options of <see cref="FamiPoseLoss"/>.</summary>
public sealed class FamiPoseLossOptions
{
    /// <summary>How the terms of mutual information are computed: paper or released-code; default paper.</summary>
    public MutualInformationForm Form { get; set; } = MutualInformationForm.Paper;

    /// <summary>What the terms of mutual information are multiplied with; 0 for the heatmaps' error alone. Default: 0.5, as published.</summary>
    public double InformationWeight { get; set; } = 0.5;

    /// <summary>What the first two terms are multiplied with beside the others, the paper's beta; default 0.1, as published.</summary>
    public double Beta { get; set; } = 0.1;

    /// <summary>The temperature of the softmax that makes distributions of maps, above 0; default 0.05, as published.</summary>
    public double Temperature { get; set; } = MutualInformation.Temperature;

    /// <summary>The network's output that is read: heatmaps [B, J, H, W].</summary>
    public string Output { get; set; } = "heatmaps";

    /// <summary>The batch's field with the heatmaps that are wanted [B, J, H, W].</summary>
    public string Target { get; set; } = "heatmap";

    /// <summary>The batch's field with the weight of each joint [B, J]: 0 for a joint that is not labelled or lies outside.</summary>
    public string Weight { get; set; } = "weight";
}

/// <summary>
/// What FAMI-Pose is trained with (Liu et al., CVPR 2022): mean(((p - t) w)^2) over all elements of the heatmaps, plus alpha (-beta m1 + beta m2 + m3 -
/// m4 + m5 - m6) of the terms of <see cref="MutualInformation"/>. The network has to put these out: <c>information: true</c>.
/// </summary>
public sealed class FamiPoseLoss : ILoss
{
    private readonly FamiPoseLossOptions _options;
    private readonly JointMseLoss _error;

    /// <summary>Creates the loss.</summary>
    /// <param name="options">Its options.</param>
    /// <exception cref="FrostlineException">An option is out of its range.</exception>
    public FamiPoseLoss(FamiPoseLossOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Temperature is not (> 0 and < double.PositiveInfinity) || !double.IsFinite(options.InformationWeight) || !double.IsFinite(options.Beta))
            throw new FrostlineException(FormattableString.Invariant(
                $"the loss fami-pose has temperature {options.Temperature}, information-weight {options.InformationWeight} and beta {options.Beta}; ")
                + "the temperature has to be above 0, and all of them numbers");
        _options = options;
        _error = new JointMseLoss(new JointMseOptions { Factor = 1, Output = options.Output, Target = options.Target, Weight = options.Weight });
    }

    /// <inheritdoc/>
    public Tensor Compute(IReadOnlyDictionary<string, Tensor> outputs, IReadOnlyDictionary<string, Tensor> fields)
    {
        using var scope = NewDisposeScope();
        var error = _error.Compute(outputs, fields);
        if (_options.InformationWeight == 0) return error.MoveToOuterDisposeScope();
        if (!outputs.ContainsKey("key_features"))
            throw new FrostlineException(
                "the loss fami-pose reads the features that a fami-pose puts out with \"information: true\"; write that, or information-weight: 0");
        var terms = MutualInformation.Terms(outputs, _options.Form, _options.Temperature, _options.Output);
        double[] signs = [-_options.Beta, _options.Beta, 1, -1, 1, -1];
        foreach (var (i, term) in terms.Index())
        {
            using Scalar factor = _options.InformationWeight * signs[i];
            error = error.add(term, factor);
        }

        return error.MoveToOuterDisposeScope();
    }
}
