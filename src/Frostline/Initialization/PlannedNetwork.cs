using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Selection;

namespace Frostline.Initialization;

/// <summary>A parameter or buffer to which a plan gives a value; tied names stand for one of these.</summary>
/// <param name="Entry">The tensor under its first name.</param>
/// <param name="Names">All of its names, the first one first.</param>
/// <param name="Target">What an initializer may know of it.</param>
internal sealed record PlannedTensor(TensorEntry Entry, IReadOnlyList<string> Names, InitializationTarget Target)
{
    public string Name => Entry.Name;

    public TensorInfo Info => Target.Tensor;
}

/// <summary>A network as a plan sees it.</summary>
internal sealed class PlannedNetwork
{
    private readonly Dictionary<string, PlannedTensor> _byName = new(StringComparer.Ordinal);

    public PlannedNetwork(ModuleTree tree)
    {
        Tree = tree;
        var names = tree.Tensors.GroupBy(entry => entry.AliasOf ?? entry.Name, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.Select(entry => entry.Name).ToList(), StringComparer.Ordinal);
        Tensors = [.. tree.DistinctTensors.Select(entry => new PlannedTensor(entry, names[entry.Name], TargetOf(entry, tree)))];
        foreach (var tensor in Tensors)
            foreach (var name in tensor.Names)
                _byName[name] = tensor;
    }

    public ModuleTree Tree { get; }

    /// <summary>Each tensor once, in the network's order.</summary>
    public IReadOnlyList<PlannedTensor> Tensors { get; }

    /// <summary>Finds a tensor by any of its names.</summary>
    public PlannedTensor? Find(string name) => _byName.GetValueOrDefault(name);

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

    private static InitializationTarget TargetOf(TensorEntry entry, ModuleTree tree)
    {
        var weight = entry.Owner.Length == 0 ? "weight" : $"{entry.Owner}.weight";
        return new InitializationTarget(
            InfoOf(entry), weight != entry.Name && tree.Find(weight) is { } sibling ? InfoOf(sibling) : null);
    }

    private static TensorInfo InfoOf(TensorEntry entry) => new(entry.Name, TensorBytes.TypeOf(entry.Tensor), entry.Tensor.shape);
}
