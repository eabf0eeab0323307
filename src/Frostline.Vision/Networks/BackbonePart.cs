using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>Finds the map of a network on which another network's head is to stand.</summary>
internal static class BackboneMap
{
    // Large enough for a map of several elements behind five halvings, and a size that all networks read.
    private const long Size = 256;

    /// <summary>Finds it.</summary>
    /// <param name="backbone">A network that reads <c>image</c>.</param>
    /// <param name="name">The tensor's name; null for the last map before the mean, of several the one with the highest resolution.</param>
    /// <param name="inputChannels">Channels of the images.</param>
    /// <returns>Its name, and how many channels it has.</returns>
    /// <exception cref="FrostlineException">There is none.</exception>
    public static (string Name, int Channels) Find(IStagedNetwork backbone, string? name, int inputChannels)
    {
        var written = backbone.Stages.SelectMany(stage => stage.Writes).ToList();
        var shapes = new Dictionary<string, IReadOnlyList<long>>(StringComparer.Ordinal) { ["image"] = [1, inputChannels, Size, Size] };
        if (name is not null && !written.Contains(name))
            throw new FrostlineException($"the backbone has no tensor \"{name}\"; it has {string.Join(", ", written)}{NearestNames.Hint(name, written)}");
        var outputs = NetworkCost.Of(backbone, shapes, name is null ? written : [name]).Stages.SelectMany(stage => stage.Outputs);
        var found = name is null
            ? outputs.Where(output => IsMap(output.Shape)).GroupBy(output => StageOf(backbone, output.Name)).LastOrDefault()?.MaxBy(output => output.Shape[2])
            : outputs.First(output => output.Name == name);
        return found is { } map && IsMap(map.Shape)
            ? (map.Name, (int)map.Shape[1])
            : throw new FrostlineException(
                found is null
                    ? "the backbone writes no map [N, C, H, W] on which heatmaps could be made"
                    : $"the backbone's \"{name}\" is [{string.Join(", ", found.Shape)}] for an image of {Size} x {Size}; heatmaps are made of a map [N, C, H, W]");
    }

    private static bool IsMap(IReadOnlyList<long> shape) => shape is [_, _, > 1, > 1];

    private static int StageOf(IStagedNetwork backbone, string name) => backbone.Stages.Index().First(stage => stage.Item.Writes.Contains(name)).Index;
}

/// <summary>Moves the modules of some stages of a network into another network, under their names.</summary>
internal static class BackbonePart
{
    /// <summary>Registers the modules of some stages, and disposes all others.</summary>
    /// <param name="backbone">The network that they are of; it is of no use afterwards.</param>
    /// <param name="owner">The network that they become part of.</param>
    /// <param name="stages">The names of the stages.</param>
    /// <exception cref="FrostlineException">A module other than a list is of several stages.</exception>
    public static void Move(nn.Module backbone, nn.Module owner, IReadOnlySet<string> stages)
    {
        var map = StageMap.Of((IStagedNetwork)backbone);
        foreach (var (name, child) in backbone.named_children().ToList())
            if (Kept(child, name, path => map.StageOf(path) is { } stage && stages.Contains(stage)) is { } kept) owner.register_module(name, kept);
    }

    /// <summary>The module itself, of a list what is left of it, or null where nothing is.</summary>
    private static nn.Module? Kept(nn.Module module, string path, Func<string, bool> isKept)
    {
        var owned = Entries(module, path).Select(isKept).Distinct().ToList();
        if (owned is [true]) return module;
        if (owned.Count == 0) return null;
        if (owned is [false])
        {
            module.Dispose();
            return null;
        }

        if (module is not Sequential list)
            throw new FrostlineException($"the backbone's \"{path}\" is of several stages and cannot be cut; choose a map behind it");
        var left = nn.Sequential();
        foreach (var (name, child) in list.named_children().ToList())
            if (Kept(child, $"{path}.{name}", isKept) is nn.Module<Tensor, Tensor> kept) left.append(name, kept);
        return left;
    }

    private static IEnumerable<string> Entries(nn.Module module, string path) =>
        module.named_parameters().Select(entry => entry.name).Concat(module.named_buffers().Select(entry => entry.name)).Select(name => $"{path}.{name}");
}
