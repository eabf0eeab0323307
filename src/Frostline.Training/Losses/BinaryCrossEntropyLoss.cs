using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Training.Losses;

/// <summary>Options of <see cref="BinaryCrossEntropyLoss"/>.</summary>
public sealed class BinaryCrossEntropyOptions
{
    /// <summary>
    /// How far targets are moved from 0 and 1 towards one half, in [0, 1); default 0. A target t becomes t (1 - s) + s / 2.
    /// </summary>
    public double LabelSmoothing { get; set; }

    /// <summary>
    /// How positives of each class count; default as negatives do. Balanced is negatives / positives of the training samples.
    /// </summary>
    public ClassWeighting PositiveWeights { get; set; } = new();

    /// <summary>The network's output that is read: unnormalised scores [B, K].</summary>
    public string Output { get; set; } = "logits";

    /// <summary>The batch's field with the targets: numbers in [0, 1] [B, K].</summary>
    public string Target { get; set; } = "label";
}

/// <summary>
/// Binary cross-entropy of independent labels from scores, as <c>torch.nn.BCEWithLogitsLoss</c>: the mean over samples and
/// labels.
/// </summary>
public sealed class BinaryCrossEntropyLoss : ILoss
{
    private const string Reader = "loss binary-cross-entropy";

    private readonly BinaryCrossEntropyOptions _options;
    private readonly float[]? _positive;
    private readonly int? _classes;

    /// <summary>Creates the loss.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="context">What is known of the data.</param>
    /// <exception cref="FrostlineException">An option is out of its range.</exception>
    public BinaryCrossEntropyLoss(BinaryCrossEntropyOptions options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        if (options.LabelSmoothing is not (>= 0 and < 1))
            throw new FrostlineException(
                FormattableString.Invariant(
                    $"the loss binary-cross-entropy has label-smoothing {options.LabelSmoothing}; it has to be in [0, 1)"));
        _options = options;
        _positive = options.PositiveWeights.OfPositives(context, "binary-cross-entropy");
        _classes = context.Classes?.Names.Count;
    }

    /// <inheritdoc/>
    public torch.Tensor Compute(
        IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        var logits = outputs.Output(_options.Output, Reader);
        ClassTargets.RefuseOtherCount(logits, _classes, _options.Output);
        var target = ClassTargets.AsProbabilities(fields.Field(_options.Target, Reader), logits.shape[1]).to(logits.dtype);
        if (_options.LabelSmoothing > 0) target = Smoothed(target);
        using var positive = _positive is null ? null : torch.tensor(_positive, logits.dtype, logits.device);
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, target, pos_weights: positive);
    }

    private torch.Tensor Smoothed(torch.Tensor target)
    {
        using Scalar share = 1 - _options.LabelSmoothing, half = _options.LabelSmoothing / 2, one = 1;
        return target.mul(share).add(half, one);
    }
}
