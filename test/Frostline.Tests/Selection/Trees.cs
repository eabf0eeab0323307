using Frostline.Selection;

namespace Frostline.Tests.Selection;

/// <summary>Trees made of words alone.</summary>
internal static class Trees
{
    /// <summary>A small staged network.</summary>
    internal static SelectionTree Small { get; } = new(
        [
            Module("", null, "Net"),
            Module("conv1", "stem", "Conv2d"),
            Parameter("conv1.weight", "stem"),
            Module("layer1", null, "Sequential"),
            Module("layer1.0", "body.1", "Block"),
            Module("layer1.0.conv1", "body.1", "Conv2d"),
            Parameter("layer1.0.conv1.weight", "body.1"),
            Module("layer1.0.bn1", "body.1", "BatchNorm2d", "BatchNorm"),
            Parameter("layer1.0.bn1.weight", "body.1"),
            new("layer1.0.bn1.running_mean", NodeKind.Buffer, [], "body.1"),
            Module("layer1.1", "body.1", "Block"),
            Module("layer1.1.conv1", "body.1", "Conv2d"),
            Parameter("layer1.1.conv1.weight", "body.1"),
            Module("layer2", "body.2", "Sequential"),
            Module("layer2.1", "body.2", "Block"),
            Module("layer2.1.conv1", "body.2", "Conv2d"),
            Parameter("layer2.1.conv1.weight", "body.2"),
            Module("fc", "head", "Linear"),
            Parameter("fc.weight", "head"),
            Parameter("fc.bias", "head"),
        ],
        ["stem", "body.1", "body.2", "head"]);

    private static SelectionNode Module(string name, string? stage, params string[] types) => new(name, NodeKind.Module, types, stage);

    private static SelectionNode Parameter(string name, string? stage) => new(name, NodeKind.Parameter, [], stage);
}
