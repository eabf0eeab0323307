using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Training.Losses;

/// <summary>Options of <see cref="CrossEntropyLoss"/>.</summary>
public sealed class CrossEntropyOptions
{
    /// <summary>How much of the target is spread over all classes (Szegedy et al., 2016), in [0, 1); default 0.</summary>
    public double LabelSmoothing { get; set; }

    /// <summary>How classes count; default all the same.</summary>
    public ClassWeighting ClassWeights { get; set; } = new();

    /// <summary>The network's output that is read: unnormalised scores [B, K].</summary>
    public string Output { get; set; } = "logits";

    /// <summary>The batch's field with the targets: class indices [B], or probabilities [B, K].</summary>
    public string Target { get; set; } = "label";
}

/// <summary>
/// Cross-entropy of one class a sample, as <c>torch.nn.CrossEntropyLoss</c>: targets are class indices (int64) or probabilities
/// (float, for example of mixup). With class weights and indices the mean is weighted by them; with probabilities it is over
/// the samples.
/// </summary>
public sealed class CrossEntropyLoss : ILoss
{
    private const string Reader = "loss cross-entropy";

    private readonly CrossEntropyOptions _options;
    private readonly float[]? _weights;
    private readonly int? _classes;

    /// <summary>Creates the loss.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="context">What is known of the data.</param>
    /// <exception cref="FrostlineException">An option is out of its range.</exception>
    public CrossEntropyLoss(CrossEntropyOptions options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        if (options.LabelSmoothing is not (>= 0 and < 1))
            throw new FrostlineException(
                FormattableString.Invariant(
                    $"the loss cross-entropy has label-smoothing {options.LabelSmoothing}; it has to be in [0, 1)"));
        if (context.Classes is { MultiLabel: true })
            throw new FrostlineException(
                "the loss cross-entropy wants one label a sample, and the data has any number; use binary-cross-entropy");
        _options = options;
        _weights = options.ClassWeights.ByClass(context, "cross-entropy");
        _classes = context.Classes?.Names.Count;
    }

    /// <inheritdoc/>
    public torch.Tensor Compute(
        IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        var logits = outputs.Output(_options.Output, Reader);
        ClassTargets.RefuseOtherCount(logits, _classes, _options.Output);
        var target = fields.Field(_options.Target, Reader);
        if (target.is_floating_point()) target = target.to(logits.dtype);
        using var weight = Weight(logits);
        return torch.nn.functional.cross_entropy(logits, target, weight, label_smoothing: _options.LabelSmoothing);
    }

    /// <inheritdoc/>
    public double WeightOf(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        var logits = outputs.Output(_options.Output, Reader);
        var target = fields.Field(_options.Target, Reader);
        if (_weights is null || target.is_floating_point()) return logits.shape[0];
        using var scope = torch.NewDisposeScope();
        return torch.tensor(_weights, torch.float64, target.device)[target].sum().item<double>();
    }

    private torch.Tensor? Weight(torch.Tensor logits) =>
        _weights is null ? null : torch.tensor(_weights, logits.dtype, logits.device);
}
