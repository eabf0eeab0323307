using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Selection;

namespace Frostline.Initialization;

/// <summary>A parameter or buffer to which a plan gives a value; tied names stand for one of these. Each is equal to itself alone.</summary>
/// <param name="entry">The tensor under its first name.</param>
/// <param name="target">What an initializer may know of it.</param>
internal sealed class PlannedTensor(TensorEntry entry, InitializationTarget target)
{
    public TensorEntry Entry => entry;

    public InitializationTarget Target => target;

    /// <summary>All of its names, the first one first.</summary>
    public List<string> Names { get; } = [];

    public string Name => entry.Name;

    public TensorInfo Info => target.Tensor;
}

/// <summary>A network as a plan sees it.</summary>
internal sealed class PlannedNetwork
{
    private readonly Dictionary<string, PlannedTensor> _byName = new(StringComparer.Ordinal);
    private readonly Lazy<HashSet<string>> _groupNorms;

    public PlannedNetwork(ModuleTree tree)
    {
        Tree = tree;
        _groupNorms = new(() => tree.Modules.Where(entry => entry.Module is TorchSharp.Modules.GroupNorm).Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal));
        // Libtorch is asked once for each shape.
        var infos = tree.DistinctTensors.ToDictionary(
            entry => entry.Name, entry => new TensorInfo(entry.Name, TensorBytes.TypeOf(entry.Tensor), TensorBytes.ShapeOf(entry.Tensor)), StringComparer.Ordinal);
        foreach (var entry in tree.DistinctTensors)
            _byName.Add(entry.Name, new PlannedTensor(entry, new InitializationTarget(infos[entry.Name], WeightBeside(entry, infos))));
        Tensors = [.. _byName.Values];
        foreach (var entry in tree.Tensors)
        {
            var tensor = _byName[entry.AliasOf ?? entry.Name];
            tensor.Names.Add(entry.Name);
            _byName[entry.Name] = tensor;
        }
    }

    public ModuleTree Tree { get; }

    /// <summary>Each tensor once, in the network's order.</summary>
    public IReadOnlyList<PlannedTensor> Tensors { get; }

    /// <summary>Finds a tensor by any of its names.</summary>
    public PlannedTensor? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>
    /// Whether the constructor leaves in a parameter whatever lay in its memory: TorchSharp's GroupNorm does, where PyTorch sets weights to 1
    /// and biases to 0. Whether somebody has set it since cannot be seen.
    /// </summary>
    public bool IsConstructedWithoutValue(PlannedTensor tensor) =>
        tensor.Entry.Kind == NodeKind.Parameter && _groupNorms.Value.Contains(tensor.Entry.Owner);

    /// <summary>What a selector chooses, in the network's order.</summary>
    /// <exception cref="SelectionException">It matches nothing.</exception>
    public IReadOnlyList<PlannedTensor> Select(string rule, Selector selector)
    {
        var chosen = selector.Require(Tree.Selection).Tensors;
        var tensors = Tensors.Where(tensor => tensor.Names.Any(chosen.Contains)).ToList();
        return tensors.Count > 0
            ? tensors
            : throw new InitializationException(
                $"{rule}: \"{selector.Text}\" selects modules without any parameter or buffer; select others");
    }

    /// <summary>The weight of the module that holds a tensor, which says how many inputs its bias has.</summary>
    private TensorInfo? WeightBeside(TensorEntry entry, Dictionary<string, TensorInfo> infos)
    {
        var weight = entry.Owner.Length == 0 ? "weight" : $"{entry.Owner}.weight";
        if (weight == entry.Name || Tree.Find(weight) is not { } found) return null;
        return infos[found.AliasOf ?? found.Name] with { Name = weight };
    }
}
