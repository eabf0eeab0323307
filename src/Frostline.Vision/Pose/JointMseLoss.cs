using System.ComponentModel.DataAnnotations;
using Frostline.Training.Losses;
using TorchSharp;

namespace Frostline.Vision.Pose;

/// <summary>Options of <see cref="JointMseLoss"/>.</summary>
public sealed class JointMseOptions
{
    /// <summary>The factor on the mean, above 0; default 0.5, as in the published code of HRNet. That of DCPose and FAMI-Pose has 1.</summary>
    [Range(0d, double.MaxValue, MinimumIsExclusive = true)]
    public double Factor { get; set; } = 0.5;

    /// <summary>
    /// How many joints of each person count, those with the greatest error (online hard keypoint mining, Chen et al., "Cascaded Pyramid Network", CVPR
    /// 2018). Default: all.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int? Hardest { get; set; }

    /// <summary>The network's output that is read: heatmaps [B, J, H, W].</summary>
    public string Output { get; set; } = "heatmaps";

    /// <summary>The batch's field with the heatmaps that are wanted [B, J, H, W].</summary>
    public string Target { get; set; } = "heatmap";

    /// <summary>The batch's field with the weight of each joint [B, J]: 0 for a joint that is not labelled or lies outside.</summary>
    public string Weight { get; set; } = "weight";
}

/// <summary>
/// The squared error of heatmaps, each joint with its weight: factor · mean(((p - t) w)²) over samples, joints and places, joints of weight 0
/// counted too (<c>JointsMSELoss</c> of Xiao et al., "Simple Baselines for Human Pose Estimation", ECCV 2018, and of HRNet; with
/// <see cref="JointMseOptions.Hardest"/> their <c>JointsOHKMMSELoss</c>).
/// </summary>
public sealed class JointMseLoss : ILoss
{
    private const string Reader = "loss joint-mse";

    private readonly JointMseOptions _options;

    /// <summary>Creates the loss.</summary>
    /// <param name="options">Its options.</param>
    /// <exception cref="FrostlineException">A number is not above 0.</exception>
    public JointMseLoss(JointMseOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Factor is not (> 0 and < double.PositiveInfinity))
            throw new FrostlineException(FormattableString.Invariant($"the {Reader} has the factor {options.Factor}; it has to be above 0"));
        if (options.Hardest < 1) throw new FrostlineException($"the {Reader} counts the {options.Hardest} hardest joints; it has to be at least 1");
        _options = options;
    }

    /// <inheritdoc/>
    public torch.Tensor Compute(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        var heatmaps = outputs.Output(_options.Output, Reader);
        var (target, weight) = (fields.Field(_options.Target, Reader), fields.Field(_options.Weight, Reader));
        if (heatmaps.dim() != 4 || !heatmaps.shape.SequenceEqual(target.shape) || !weight.shape.AsSpan().SequenceEqual(heatmaps.shape.AsSpan(0, 2)))
            throw new FrostlineException(
                $"the {Reader} reads {Shape(_options.Output, heatmaps)} beside {Shape(_options.Target, target)} and {Shape(_options.Weight, weight)}; heatmaps "
                + "and targets have to have one shape [B, J, H, W], weights [B, J]: give pose-targets the network's stride, and the network as many joints as the data");
        using Scalar minus = -1, factor = _options.Factor;
        // Not square(), which makes a number that nothing holds.
        var error = heatmaps.add(target.to(heatmaps.dtype), minus).mul(weight.to(heatmaps.dtype).unsqueeze(2).unsqueeze(3));
        var squares = error.mul(error);
        if (_options.Hardest is not { } most || most >= heatmaps.shape[1]) return squares.mean().mul(factor);
        return squares.mean([2L, 3]).topk(most, 1).values.mean().mul(factor);
    }

    private static string Shape(string name, torch.Tensor tensor) => $"\"{name}\" [{string.Join(", ", tensor.shape)}]";
}
