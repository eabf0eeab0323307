namespace Frostline.Autograd;

/// <summary>What a <see cref="GradientDiagnosis"/> can find.</summary>
public enum FindingKind
{
    /// <summary>Trained parameters get no gradient, because the loss does not depend on them.</summary>
    Unreachable,

    /// <summary>The loss depends on trained parameters, and no gradient reaches them: the graph is cut in between.</summary>
    Detached,

    /// <summary>As <see cref="Detached"/>, where it is known that they compute while nothing is recorded.</summary>
    BeneathNoGrad,

    /// <summary>The loss has no gradient at all: nothing would be trained.</summary>
    LossWithoutGradient,

    /// <summary>The loss is NaN or infinite.</summary>
    LossNotFinite,

    /// <summary>A gradient arrives, and all of it is exactly zero.</summary>
    ZeroGradient,

    /// <summary>A frozen layer takes part in the backward pass, because something below it is trained.</summary>
    HeldActivations,

    /// <summary>A dropout is active in a part whose parameters are frozen.</summary>
    ActiveDropout,

    /// <summary>A BatchNorm that normalises by the batch meets a batch of one sample.</summary>
    BatchOfOne,
}

/// <summary>How bad a finding is.</summary>
public enum FindingSeverity
{
    /// <summary>Worth knowing; nothing is wrong.</summary>
    Note,

    /// <summary>Likely a mistake, and sometimes meant.</summary>
    Warning,

    /// <summary>Training would not do what the plan says.</summary>
    Error,
}

/// <summary>Something that a <see cref="GradientDiagnosis"/> found.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Severity">How bad it is.</param>
/// <param name="Module">The topmost module that all of it lies in; empty for the network itself.</param>
/// <param name="Names">The parameters that it is about; for dropouts and norms the modules. In the network's order.</param>
/// <param name="What">What it is and why, in one line that begins with the place.</param>
/// <param name="Remedy">What to do, in one line.</param>
public sealed record GradientFinding(
    FindingKind Kind, FindingSeverity Severity, string Module, IReadOnlyList<string> Names, string What, string Remedy)
{
    /// <inheritdoc/>
    public override string ToString() => $"{What}; {Remedy}";
}

/// <summary>How a <see cref="GradientDiagnosis"/> is made.</summary>
public sealed record DiagnosisOptions
{
    /// <summary>libtorch's generator is seeded with it before each call of the loss; default 0.</summary>
    public long Seed { get; init; }

    /// <summary>
    /// How many samples the batches of the training have, each number once: the batch size, and what is left for the last batch of an epoch.
    /// Default none, and then nothing is said of batches of one sample.
    /// </summary>
    public IReadOnlyList<int> BatchSizes { get; init; } = [];

    /// <summary>
    /// The loss of the first so many samples of the batch. With it the diagnosis finds out what a batch of one sample does, and takes the
    /// graph of everything from two samples, which costs little memory. Default null.
    /// </summary>
    public Func<int, TorchSharp.torch.Tensor>? LossOfFirst { get; init; }

    /// <summary>
    /// How often, at the most, the loss is computed anew with other values of parameters without a gradient, to learn why they have none;
    /// default 16.
    /// </summary>
    public int MostTrials { get; init; } = 16;
}
