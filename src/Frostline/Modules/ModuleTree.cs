using System.Runtime.CompilerServices;
using Frostline.Native;
using Frostline.Selection;
using Frostline.Staging;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace Frostline.Modules;

/// <summary>A module and where it stands.</summary>
/// <param name="Name">The dotted name; empty for the root.</param>
/// <param name="Module">The module.</param>
/// <param name="AliasOf">The name under which the same module came first, or null where this is the first.</param>
/// <param name="Stage">The stage that owns it, or null where the network has no stages.</param>
public sealed record ModuleEntry(string Name, torch.nn.Module Module, string? AliasOf = null, string? Stage = null);

/// <summary>A parameter or buffer and where it stands.</summary>
/// <param name="Name">The dotted name, as in PyTorch's <c>state_dict</c>.</param>
/// <param name="Tensor">The tensor; a <see cref="Parameter"/> where <paramref name="Kind"/> says so. Owned by the module.</param>
/// <param name="Kind"><see cref="NodeKind.Parameter"/> or <see cref="NodeKind.Buffer"/>.</param>
/// <param name="Persistent">Whether it belongs into files; false only for buffers registered as not persistent.</param>
/// <param name="Owner">The name of the module that holds it.</param>
/// <param name="Stage">The stage that owns it, or null where the network has no stages.</param>
/// <param name="AliasOf">
/// The name under which the same memory came first (a tied parameter, a shared module), or null where this is the first.
/// Count and change only the entries where it is null.
/// </param>
public sealed record TensorEntry(
    string Name, torch.Tensor Tensor, NodeKind Kind, bool Persistent, string Owner, string? Stage, string? AliasOf = null);

/// <summary>
/// One walk over a network: modules, parameters and buffers with their names, in the order of PyTorch's <c>state_dict</c> (a
/// module's parameters, its buffers, then its children). Guards that Frostline registers are hidden, buffers that are not
/// persistent are followed. A snapshot: after <c>to()</c> or changes to the structure, take another.
/// </summary>
/// <remarks>
/// TorchSharp's <c>named_buffers</c> never lists buffers registered with <c>persistent: false</c>, and <c>named_parameters</c>
/// lists a tied parameter once. The walk therefore reads the two internal tables of <see cref="torch.nn.Module"/> in which the
/// library keeps what was registered; where a future version keeps them elsewhere, it says so instead of missing a tensor.
/// </remarks>
public sealed class ModuleTree
{
    private readonly Dictionary<string, TensorEntry> _byName = new(StringComparer.Ordinal);

    private ModuleTree(IReadOnlyList<ModuleEntry> modules, IReadOnlyList<TensorEntry> tensors, SelectionTree selection)
    {
        Modules = modules;
        Tensors = tensors;
        Selection = selection;
        foreach (var entry in tensors) _byName[entry.Name] = entry;
    }

    /// <summary>All modules, the root first, parents before children.</summary>
    public IReadOnlyList<ModuleEntry> Modules { get; }

    /// <summary>All parameters and buffers under all their names; see <see cref="TensorEntry.AliasOf"/>.</summary>
    public IReadOnlyList<TensorEntry> Tensors { get; }

    /// <summary>Each parameter and buffer once, under its first name.</summary>
    public IEnumerable<TensorEntry> DistinctTensors => Tensors.Where(entry => entry.AliasOf is null);

    /// <summary>The network as selectors see it.</summary>
    public SelectionTree Selection { get; }

    /// <summary>The root module.</summary>
    public torch.nn.Module Root => Modules[0].Module;

    /// <summary>Finds a parameter or buffer by any of its names.</summary>
    public TensorEntry? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Walks over a network.</summary>
    /// <param name="root">The network; its components have to be registered (<c>RegisterComponents()</c>).</param>
    /// <exception cref="FrostlineException">
    /// The stages of a staged network do not own each tensor once, or this version of TorchSharp keeps registered tensors where
    /// the walk does not find them.
    /// </exception>
    public static ModuleTree Of(torch.nn.Module root)
    {
        ArgumentNullException.ThrowIfNull(root);
        var stages = root is IStagedNetwork staged ? StageMap.Of(staged) : null;
        var walk = new Walk(stages);
        walk.Visit("", root);
        return new ModuleTree(walk.Modules, walk.Tensors, new SelectionTree(walk.Nodes, stages?.Stages));
    }

    private sealed class Walk(StageMap? stages)
    {
        private readonly Dictionary<torch.nn.Module, string> _firstModules = new(ReferenceEqualityComparer.Instance);
        private readonly Dictionary<(nint, long, torch.ScalarType), string> _firstMemory = [];
        private readonly Dictionary<torch.Tensor, string> _firstTensors = new(ReferenceEqualityComparer.Instance);

        internal List<ModuleEntry> Modules { get; } = [];

        internal List<TensorEntry> Tensors { get; } = [];

        internal List<SelectionNode> Nodes { get; } = [];

        internal void Visit(string name, torch.nn.Module module)
        {
            var stage = stages?.StageOf(name);
            string? alias = null;
            if (!_firstModules.TryAdd(module, name)) alias = _firstModules[module];
            Modules.Add(new ModuleEntry(name, module, alias, stage));
            Nodes.Add(new SelectionNode(name, NodeKind.Module, ModuleTypes.NamesOf(module), stage));

            var prefix = name.Length == 0 ? "" : name + ".";
            foreach (var (local, parameter) in ModuleComponents.Parameters(module))
                Add(prefix + local, parameter, NodeKind.Parameter, persistent: true, name);
            foreach (var (local, (buffer, persistent)) in ModuleComponents.Buffers(module))
                Add(prefix + local, buffer, NodeKind.Buffer, persistent, name);
            foreach (var (local, child) in module.named_children().Where(pair => !ModuleTypes.IsGuard(pair.module)).ToList())
                Visit(prefix + local, child);
        }

        private void Add(string name, torch.Tensor? tensor, NodeKind kind, bool persistent, string owner)
        {
            var stage = stages?.StageOf(name);
            if (tensor is null || tensor.IsInvalid) return;
            Tensors.Add(new TensorEntry(name, tensor, kind, persistent, owner, stage, FirstName(name, tensor)));
            Nodes.Add(new SelectionNode(name, kind, [], stage));
        }

        /// <summary>The earlier name of the same memory; two handles may stand for one tensor.</summary>
        private string? FirstName(string name, torch.Tensor tensor)
        {
            if (_firstTensors.TryGetValue(tensor, out var first)) return first;
            var address = TensorMemory.Address(tensor);
            var memory = (address, tensor.numel(), tensor.dtype);
            var isFirst = address == 0 || _firstMemory.TryAdd(memory, name);
            _firstTensors.Add(tensor, isFirst ? name : _firstMemory[memory]);
            return isFirst ? null : _firstMemory[memory];
        }
    }
}

/// <summary>The tables in which a TorchSharp module keeps what was registered with it.</summary>
internal static class ModuleComponents
{
    /// <summary>The module's own parameters, tied ones included, in the order of registration.</summary>
    internal static OrderedDict<string, Parameter> Parameters(torch.nn.Module module) => Read(module, ParameterTable);

    /// <summary>The module's own buffers and whether each is persistent, in the order of registration.</summary>
    internal static OrderedDict<string, (torch.Tensor Tensor, bool Persistent)> Buffers(torch.nn.Module module) => Read(module, BufferTable);

    /// <summary>The module's own children; empty for a Sequential, which keeps its modules elsewhere.</summary>
    internal static OrderedDict<string, torch.nn.Module> Children(torch.nn.Module module) => Read(module, ChildTable);

    private static T Read<T>(torch.nn.Module module, Func<torch.nn.Module, T> table)
    {
        try
        {
            return table(module);
        }
        catch (MissingFieldException exception)
        {
            var version = typeof(torch).Assembly.GetName().Version;
            throw new FrostlineException($"TorchSharp {version} keeps a module's tensors where Frostline cannot see them; use version 0.107", exception);
        }
    }

    private static OrderedDict<string, Parameter> ParameterTable(torch.nn.Module module) => ParameterField(module);

    private static OrderedDict<string, (torch.Tensor Tensor, bool Persistent)> BufferTable(torch.nn.Module module) => BufferField(module);

    private static OrderedDict<string, torch.nn.Module> ChildTable(torch.nn.Module module) => ChildField(module);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_internal_params")]
    private static extern ref OrderedDict<string, Parameter> ParameterField(torch.nn.Module module);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_internal_buffers")]
    private static extern ref OrderedDict<string, (torch.Tensor, bool)> BufferField(torch.nn.Module module);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_internal_submodules")]
    private static extern ref OrderedDict<string, torch.nn.Module> ChildField(torch.nn.Module module);
}
