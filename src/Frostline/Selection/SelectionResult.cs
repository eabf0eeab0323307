namespace Frostline.Selection;

/// <summary>What a <see cref="Selector"/> chose of a <see cref="SelectionTree"/>.</summary>
public sealed class SelectionResult
{
    internal SelectionResult(IReadOnlySet<string> modules, IReadOnlySet<string> tensors, IReadOnlyList<string> unmatched)
    {
        Modules = modules;
        Tensors = tensors;
        Unmatched = unmatched;
    }

    /// <summary>The names of the chosen modules; the root's name is empty.</summary>
    public IReadOnlySet<string> Modules { get; }

    /// <summary>The names of the chosen parameters and buffers.</summary>
    public IReadOnlySet<string> Tensors { get; }

    /// <summary>The patterns of the selector that match no node at all: in <c>** &amp; !fcc.**</c> the misspelt <c>fcc.**</c>.</summary>
    public IReadOnlyList<string> Unmatched { get; }

    /// <summary>Whether nothing was chosen, neither module nor tensor.</summary>
    public bool IsEmpty => Modules.Count == 0 && Tensors.Count == 0;
}
