using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// HRNet for classification (Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020): the four branches,
/// widened and added from the highest resolution to the lowest, then the mean and a linear layer. Names and shapes of the published
/// <c>cls_hrnet</c> checkpoints.
/// </summary>
/// <remarks>
/// Reads images <c>[N, 3, H, W]</c>, H and W multiples of 32; puts out logits <c>[N, classes]</c>. Stages as <see cref="HRNet"/>'s, then
/// <c>fusion</c> (<c>[N, 2048, H / 32, W / 32]</c>; owns incre_modules, downsamp_modules and final_layer), <c>pool</c> and <c>head</c>. All entries
/// of <see cref="HRNetPose"/> but its final_layer exist in it with equal names and shapes, so that a pose network starts from a classifier.
/// </remarks>
public sealed class HRNetClassifier : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    private const int Features = 2048;

    private static readonly int[] s_headWidths = [32, 64, 128, 256];

    /// <summary>Creates the network; its weights are TorchSharp's defaults until they are initialised.</summary>
    /// <param name="width">Channels of the branch with the highest resolution, for example <see cref="HRNetWidth.W18"/>.</param>
    /// <param name="classes">How many classes; default the 1000 of ImageNet.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public HRNetClassifier(int width, int classes = 1000, int inputChannels = 3)
        : this(new HRNetLayout(width), classes, inputChannels)
    {
    }

    /// <summary>Creates the network in another size, for example <see cref="HRNetLayout.SmallV2"/>.</summary>
    /// <param name="layout">Its size.</param>
    /// <param name="classes">How many classes; default the 1000 of ImageNet.</param>
    /// <param name="inputChannels">Channels of the images; default 3.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public HRNetClassifier(HRNetLayout layout, int classes = 1000, int inputChannels = 3)
        : base(nameof(HRNetClassifier))
    {
        ArgumentNullException.ThrowIfNull(layout);
        var title = $"HRNet-W{layout.Width}";
        ClassifierOptions.Check(title, classes, inputChannels);
        (Layout, Classes) = (layout, classes);
        var body = new HRNetBody(this, layout, title, inputChannels, outputs: 4);
        var widen = s_headWidths.Select((width, i) => nn.Sequential(("0", new Bottleneck(layout.ChannelsOf(i), width, 1)))).ToArray();
        var halve = s_headWidths[1..].Select((width, i) => HalvingWithBias(s_headWidths[i], width)).ToArray();
        var last = s_headWidths[^1] * Bottleneck.Expansion;
        var final = nn.Sequential(("0", nn.Conv2d(last, Features, 1)), ("1", nn.BatchNorm2d(Features)), ("2", nn.ReLU()));
        var classifier = nn.Linear(Features, classes);
        register_module("incre_modules", new ModuleSlots<Sequential>(widen));
        register_module("downsamp_modules", new ModuleSlots<Sequential>(halve));
        register_module("final_layer", final);
        register_module("classifier", classifier);
        Stages =
        [
            .. body.Stages,
            new Stage("fusion", body.Stages[^1].Writes, ["fusion"], [.. widen, .. halve, final], (operations, bundle) =>
                new Bundle(("fusion", Fuse(operations, [.. body.Stages[^1].Writes.Select(name => bundle[name])], widen, halve, final)))),
            new Stage("pool", "fusion", [], (operations, x) => operations.AdaptiveAveragePool(1, 1, x)),
            new Stage("head", "pool", [classifier], (operations, x) => operations.Linear(classifier, operations.Flatten(x)), write: "logits"),
        ];
    }

    /// <summary>Its size.</summary>
    public HRNetLayout Layout { get; }

    /// <summary>How many classes its logits have.</summary>
    public int Classes { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Stage> Stages { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Inputs { get; } = ["image"];

    /// <inheritdoc/>
    public IReadOnlyList<string> Outputs { get; } = ["logits"];

    /// <summary>The logits of a batch of images.</summary>
    /// <param name="input"><c>[N, channels, H, W]</c>.</param>
    /// <returns><c>[N, classes]</c>.</returns>
    /// <exception cref="FrostlineException">The shape does not fit.</exception>
    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);

    // The published networks have biases here, though a norm follows.
    private static Sequential HalvingWithBias(int inputs, int outputs) => nn.Sequential(
        ("0", nn.Conv2d(inputs * Bottleneck.Expansion, outputs * Bottleneck.Expansion, 3, 2, padding: 1)),
        ("1", nn.BatchNorm2d(outputs * Bottleneck.Expansion)),
        ("2", nn.ReLU()));

    private static Value Fuse(Operations operations, IReadOnlyList<Value> branches, Sequential[] widen, Sequential[] halve, Sequential final)
    {
        var y = operations.Call(widen[0], branches[0]);
        for (var i = 0; i < halve.Length; i++) y = operations.Add(operations.Call(widen[i + 1], branches[i + 1]), operations.Call(halve[i], y));
        return operations.Call(final, y);
    }
}
