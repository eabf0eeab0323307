using TorchSharp;

namespace Frostline.Staging;

/// <summary>
/// Which stage owns which module, parameter and buffer. Every parameter and buffer of a staged network belongs to exactly one
/// stage: only then does freezing a stage freeze all of it, and is a frozen prefix a pure function.
/// </summary>
public sealed class StageMap
{
    private readonly Dictionary<string, string> _modules;
    private readonly Dictionary<string, string> _tensors;

    private StageMap(IReadOnlyList<string> stages, Dictionary<string, string> modules, Dictionary<string, string> tensors)
    {
        Stages = stages;
        _modules = modules;
        _tensors = tensors;
    }

    /// <summary>The stages' names, in the order in which they run.</summary>
    public IReadOnlyList<string> Stages { get; }

    /// <summary>Maps a network and checks that its stages own everything once.</summary>
    /// <param name="network">A network; it is a module.</param>
    /// <exception cref="FrostlineException">
    /// A parameter or buffer belongs to no stage or to several, a stage owns a module that is not in the network, or the
    /// stages do not fit together.
    /// </exception>
    public static StageMap Of(IStagedNetwork network)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (network is not torch.nn.Module root)
            throw new FrostlineException(
                $"{network.GetType().Name} is staged but not a module; implement IStagedNetwork on the module");
        _ = StageSchedule.Whole(network);
        var names = NamesOf(root);
        var modules = new Dictionary<string, string>(StringComparer.Ordinal);
        var tensors = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var stage in network.Stages)
        {
            foreach (var module in stage.Modules) Claim(modules, NameOf(names, module, stage), stage, "module");
            foreach (var (owner, name) in stage.Tensors) Claim(tensors, Join(NameOf(names, owner, stage), name), stage, "tensor");
        }

        var map = new StageMap([.. network.Stages.Select(stage => stage.Name)], modules, tensors);
        map.CheckNesting();
        map.CheckTensors(root);
        return map;
    }

    /// <summary>The stage that owns a module, parameter or buffer; null where none does (the root, a plain container).</summary>
    /// <param name="name">Its dotted name.</param>
    public string? StageOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (_tensors.TryGetValue(name, out var owner)) return owner;
        for (var prefix = name; ; prefix = prefix.LastIndexOf('.') is var dot and >= 0 ? prefix[..dot] : "")
        {
            if (_modules.TryGetValue(prefix, out var stage)) return stage;
            if (prefix.Length == 0) return null;
        }
    }

    private static void Claim(Dictionary<string, string> owners, string name, Stage stage, string kind)
    {
        if (!owners.TryAdd(name, stage.Name))
            throw new FrostlineException(
                $"the {kind} \"{name}\" belongs to the stages \"{owners[name]}\" and \"{stage.Name}\"; " +
                "a stage owns its state alone");
    }

    /// <summary>All modules by identity; a module that is reached twice keeps its first name.</summary>
    private static Dictionary<torch.nn.Module, string> NamesOf(torch.nn.Module root)
    {
        var names = new Dictionary<torch.nn.Module, string>(ReferenceEqualityComparer.Instance) { [root] = "" };
        foreach (var (name, module) in root.named_modules()) names.TryAdd(module, name);
        return names;
    }

    private static string NameOf(Dictionary<torch.nn.Module, string> names, torch.nn.Module module, Stage stage) =>
        names.TryGetValue(module, out var name)
            ? name
            : throw new FrostlineException(
                $"the stage \"{stage.Name}\" owns a {module.GetName()} that is not in the network; register it as a submodule");

    private static string Join(string module, string name) => module.Length == 0 ? name : $"{module}.{name}";

    private void CheckNesting()
    {
        foreach (var (name, stage) in _modules)
        {
            if (name.Length == 0) continue;
            var parent = name.LastIndexOf('.') is var dot and >= 0 ? name[..dot] : "";
            if (StageOf(parent) is { } outer && outer != stage)
                throw new FrostlineException(
                    $"the module \"{name}\" belongs to the stage \"{stage}\" and, with what surrounds it, to \"{outer}\"; " +
                    "a stage owns its state alone");
        }
    }

    private void CheckTensors(torch.nn.Module root)
    {
        // A tied tensor is listed by every name it has, which named_parameters does not do.
        var owners = new Dictionary<IntPtr, (string Name, string Stage)>();
        foreach (var (name, tensor, _) in NetworkState.Of(root))
        {
            // A module that is registered twice is owned under its first name.
            if (StageOf(name) is null && owners.ContainsKey(tensor.Handle)) continue;
            var stage = StageOf(name)
                ?? throw new FrostlineException(
                    $"\"{name}\" belongs to no stage; every parameter and buffer belongs to exactly one");
            if (!owners.TryAdd(tensor.Handle, (name, stage)) && owners[tensor.Handle].Stage != stage)
                throw new FrostlineException(
                    $"\"{name}\" of the stage \"{stage}\" is the same tensor as \"{owners[tensor.Handle].Name}\" of " +
                    $"\"{owners[tensor.Handle].Stage}\"; put both modules into one stage");
        }
    }
}
