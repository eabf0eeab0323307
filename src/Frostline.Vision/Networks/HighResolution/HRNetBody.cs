using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// The part that all HRNets have in common, registered on the network itself, so that names are those of the published checkpoints: stem, layer1,
/// and stages of two, three and four branches with the transitions before them.
/// </summary>
/// <remarks>
/// The stages' tensors are called after where they come from and the branch: <c>stem</c>, <c>layer1</c>, <c>transition1.0</c> …
/// <c>stage4.3</c>. A transition adds the new branch only, as those that exist go on as they are: <c>stage3</c> reads <c>stage2.0</c>,
/// <c>stage2.1</c> and <c>transition2.2</c>.
/// </remarks>
internal sealed class HRNetBody
{
    /// <summary>Height and width of images are multiples of it: five halvings.</summary>
    public const int Multiple = 32;

    private readonly HRNetLayout _layout;
    private readonly List<Stage> _stages = [];

    /// <summary>Creates the modules, and registers them.</summary>
    /// <param name="owner">The network.</param>
    /// <param name="layout">Its sizes.</param>
    /// <param name="title">Its name for messages.</param>
    /// <param name="inputChannels">Channels of the images.</param>
    /// <param name="outputs">How many branches the last module of stage4 puts out, 1 to 4.</param>
    /// <exception cref="FrostlineException">A number is out of range.</exception>
    public HRNetBody(nn.Module owner, HRNetLayout layout, string title, int inputChannels, int outputs)
    {
        layout.Check(title);
        ClassifierOptions.Check(title, 1, inputChannels);
        _layout = layout;
        AddStem(owner, title, inputChannels);
        List<string> branches = ["layer1"];
        for (var stage = 2; stage <= 4; stage++)
        {
            branches = AddTransition(owner, stage, branches);
            branches = AddStage(owner, stage, branches, stage == 4 ? outputs : stage);
        }
    }

    /// <summary>The tensors of the branch with the highest resolution, all <c>[N, C, H / 4, W / 4]</c>, in order.</summary>
    public static IReadOnlyList<string> Taps { get; } = ["transition1.0", "stage2.0", "stage3.0", "stage4.0"];

    /// <summary>The stages, from <c>stem</c> to <c>stage4</c>.</summary>
    public IReadOnlyList<Stage> Stages => _stages;

    private void AddStem(nn.Module owner, string title, int inputChannels)
    {
        const int channels = 64;
        var (conv1, bn1) = (nn.Conv2d(inputChannels, channels, 3, 2, padding: 1, bias: false), nn.BatchNorm2d(channels));
        var (conv2, bn2) = (nn.Conv2d(channels, channels, 3, 2, padding: 1, bias: false), nn.BatchNorm2d(channels));
        var layer1 = nn.Sequential();
        for (var i = 0; i < _layout.FirstBlocks; i++)
            layer1.append(new Bottleneck(i == 0 ? channels : _layout.FirstWidth * Bottleneck.Expansion, _layout.FirstWidth, 1));
        owner.register_module("conv1", conv1);
        owner.register_module("bn1", bn1);
        owner.register_module("conv2", conv2);
        owner.register_module("bn2", bn2);
        owner.register_module("layer1", layer1);
        _stages.Add(new Stage("stem", "image", [conv1, bn1, conv2, bn2], (operations, x) => operations.ConvolutionNormRelu(
            conv2, bn2, operations.ConvolutionNormRelu(conv1, bn1, ImageInput.CheckMultiple(x, title, inputChannels, Multiple)))));
        _stages.Add(new Stage("layer1", "stem", [layer1], (operations, x) => operations.Call(layer1, x)));
    }

    /// <summary>
    /// Adds what a stage needs before it: of one branch two, of others the new one by a convolution of stride 2 from the last.
    /// </summary>
    /// <returns>What the stage reads.</returns>
    private List<string> AddTransition(nn.Module owner, int stage, List<string> branches)
    {
        var name = $"transition{stage - 1}";
        var isFirst = stage == 2;
        var last = isFirst ? _layout.FirstWidth * Bottleneck.Expansion : _layout.ChannelsOf(stage - 2);
        // The new branch is one level deeper in the published names.
        var added = nn.Sequential(("0", Halving.WithRelu(last, isFirst ? _layout.ChannelsOf(1) : last * 2)));
        var kept = isFirst && last != _layout.Width
            ? nn.Sequential(
                ("0", nn.Conv2d(last, _layout.Width, 3, padding: 1, bias: false)), ("1", nn.BatchNorm2d(_layout.Width)), ("2", nn.ReLU()))
            : null;
        owner.register_module(name, new ModuleSlots<Sequential>([.. Enumerable.Range(0, stage).Select(i => i == stage - 1 ? added : i == 0 ? kept : null)]));
        var read = branches[^1];
        List<string> writes = isFirst ? [$"{name}.0", $"{name}.1"] : [$"{name}.{stage - 1}"];
        _stages.Add(new Stage(name, [read], writes, kept is null ? [added] : [kept, added], (operations, bundle) =>
        {
            var x = bundle[read];
            var widened = (Name: writes[^1], Value: operations.Call(added, x));
            return isFirst ? new Bundle((writes[0], kept is null ? x : operations.Call(kept, x)), widened) : new Bundle(widened);
        }));
        return isFirst ? writes : [.. branches, .. writes];
    }

    /// <summary>Adds a stage of branches.</summary>
    /// <returns>What it writes.</returns>
    private List<string> AddStage(nn.Module owner, int stage, List<string> reads, int outputs)
    {
        var name = $"stage{stage}";
        var count = _layout.Modules[stage - 2];
        HighResolutionModule[] modules = [.. Enumerable.Range(0, count).Select(i => new HighResolutionModule(_layout, stage, i == count - 1 ? outputs : stage))];
        owner.register_module(name, new ModuleSlots<HighResolutionModule>(modules));
        List<string> writes = [.. Enumerable.Range(0, outputs).Select(i => $"{name}.{i}")];
        _stages.Add(new Stage(name, reads, writes, modules, (operations, bundle) =>
        {
            IReadOnlyList<Value> x = [.. reads.Select(read => bundle[read])];
            foreach (var module in modules)
            {
                var y = x;
                x = operations.Group(() => module.Apply(operations, y));
            }

            return new Bundle(writes.Select((write, i) => (write, x[i])));
        }));
        return writes;
    }
}
