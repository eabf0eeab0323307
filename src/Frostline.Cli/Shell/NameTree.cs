using Frostline.Checkpoints;

namespace Frostline.Cli.Shell;

/// <summary>
/// Tensors as the tree that their dotted names describe. A branch that has nothing beside its one child shares a row with it.
/// </summary>
internal sealed class NameTree
{
    // A name may have as many dots as it likes; what lies deeper stays together.
    private const int Depth = 32;

    private readonly List<NameTree> _children = [];
    private readonly Dictionary<string, NameTree> _byName = new(StringComparer.Ordinal);
    private readonly string _name;
    private TensorInfo? _tensor;
    private int _count;
    private long _bytes;

    // The name is the file's own; control characters in it must not reach a terminal.
    private NameTree(string name) => _name = TensorTexts.Plain(name);

    /// <summary>Builds the tree; branches come in the order in which the tensors name them first.</summary>
    public static NameTree Of(IReadOnlyList<TensorInfo> tensors)
    {
        var root = new NameTree("");
        for (var i = 0; i < tensors.Count; i++)
        {
            var node = root;
            node.Count(tensors[i]);
            foreach (var part in tensors[i].Name.Split('.', Depth))
            {
                node = node.Child(part);
                node.Count(tensors[i]);
            }

            node._tensor = tensors[i];
        }

        return root;
    }

    /// <summary>Visits all rows from top to bottom.</summary>
    /// <param name="tensor">Takes a tensor, and its part of the name, set in by two blanks for each branch above it.</param>
    /// <param name="branch">Takes a branch: its part of the name, how many tensors it holds and how many bytes they have.</param>
    public void Visit(Action<string, TensorInfo> tensor, Action<string, int, long> branch)
    {
        foreach (var child in _children) child.Visit("", tensor, branch);
    }

    private void Visit(string indent, Action<string, TensorInfo> tensor, Action<string, int, long> branch)
    {
        var (node, name) = (this, _name);
        while (node._tensor is null && node._children.Count == 1)
        {
            node = node._children[0];
            name += "." + node._name;
        }

        if (node._tensor is { } own) tensor(indent + name, own);
        else branch(indent + name, node._count, node._bytes);
        foreach (var child in node._children) child.Visit(indent + "  ", tensor, branch);
    }

    private void Count(TensorInfo tensor)
    {
        _count++;
        _bytes += tensor.ByteCount;
    }

    private NameTree Child(string name)
    {
        if (_byName.TryGetValue(name, out var child)) return child;
        child = new NameTree(name);
        _byName.Add(name, child);
        _children.Add(child);
        return child;
    }
}
