using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;

namespace Frostline.Freezing;

/// <summary>
/// Under which names a file has the tensors of a network: the network's own, those with the prefix of a training's checkpoint or of parallel
/// training, or those under which the network was loaded.
/// </summary>
internal sealed class FileTensors
{
    private static readonly string[] s_prefixes = ["", "model.", "module."];

    private readonly Dictionary<string, string> _keys;

    private FileTensors(Checkpoint file, Dictionary<string, string> keys, bool isOriginal) => (File, _keys, IsOriginal) = (file, keys, isOriginal);

    internal Checkpoint File { get; }

    /// <summary>The file's name without folder.</summary>
    internal string Name => Path.GetFileName(File.Source);

    /// <summary>
    /// Whether it has what the network was loaded from: what was computed from it, and what was not taken from it, cannot be compared with it.
    /// </summary>
    internal bool IsOriginal { get; }

    /// <summary>The tensors that the file has, each by the network's name and by the file's.</summary>
    internal IReadOnlyDictionary<string, string> Keys => _keys;

    /// <summary>What the file says of a tensor; null where it lacks it.</summary>
    /// <param name="name">The network's name, the first one where there are several.</param>
    internal TensorInfo? Find(string name) => _keys.TryGetValue(name, out var key) ? File.Find(key) : null;

    /// <summary>The bytes of a tensor, and their type; null where the file lacks it.</summary>
    /// <param name="name">As of <see cref="Find"/>.</param>
    internal (TensorType Type, byte[] Bytes)? Read(string name) => Find(name) is { } tensor ? (tensor.Type, File.Read(tensor.Name)) : null;

    /// <summary>Finds out what names a file uses: those by which it has the most tensors, the network's own rather than others.</summary>
    /// <param name="file">The file.</param>
    /// <param name="tree">The network.</param>
    /// <param name="initialized">Where its values came from; null where nothing is known.</param>
    /// <param name="mayBeOriginal">Whether the file may be one that the network was loaded from.</param>
    /// <exception cref="FreezeException">The file has none of the network's tensors.</exception>
    internal static FileTensors Of(Checkpoint file, ModuleTree tree, InitializationReport? initialized, bool mayBeOriginal)
    {
        // Each name of a tied tensor may be the one that the file has.
        var names = tree.Tensors.Where(entry => entry.Persistent)
            .ToLookup(entry => entry.AliasOf ?? entry.Name, entry => entry.Name, StringComparer.Ordinal);
        if (mayBeOriginal && initialized?.Loads.FirstOrDefault(load => load.Hash == file.ContentHash()) is { } load)
            return new FileTensors(file, Found(file, names, name => LoadedKey(initialized, name, load.Hash)), isOriginal: true);

        var best = s_prefixes.Select(prefix => Found(file, names, name => prefix + name)).MaxBy(keys => keys.Count)!;
        // A network that was trained under its old names has those of what was not loaded too; the old file may have something else there.
        var loaded = initialized is null
            ? []
            : Found(file, names, name => LoadedKey(initialized, name, hash: null) ?? (mayBeOriginal ? null : name));
        if (best.Count == 0 && loaded.Count == 0)
        {
            var example = file.Tensors.Count > 0 ? $", but for example \"{file.Tensors[0].Name}\"" : "";
            throw new FreezeException(
                $"{file.Source} has no tensor of the network, neither by the network's names nor by those under which it is loaded{example}; "
                + "give a checkpoint of this network");
        }

        return loaded.Count > best.Count ? new FileTensors(file, loaded, mayBeOriginal) : new FileTensors(file, best, isOriginal: false);
    }

    private static Dictionary<string, string> Found(Checkpoint file, ILookup<string, string> names, Func<string, string?> keyOf)
    {
        var keys = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var tensor in names)
        {
            if (tensor.Select(keyOf).FirstOrDefault(key => key is not null && file.TryFind(key, out _)) is { } key) keys[tensor.Key] = key;
        }

        return keys;
    }

    /// <summary>The name under which a tensor was loaded, from the file of a content or from any; null where it was not.</summary>
    private static string? LoadedKey(InitializationReport initialized, string name, string? hash) =>
        FileAudit.LoadedFrom(initialized.Find(name)?.Origin) is { } loaded && (hash is null || loaded.Hash == hash) ? loaded.Key : null;
}
