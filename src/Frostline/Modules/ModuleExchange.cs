using System.Collections;
using System.Reflection;
using Frostline.Staging;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Modules;

/// <summary>
/// Puts other modules into the places of modules of a network: where they are registered, where TorchSharp's containers keep them, in
/// the fields of modules and in stages. Finds all places first, and what is in the way; only <see cref="Run"/> changes anything.
/// </summary>
/// <remarks>
/// What a forward reaches otherwise, through a variable that a delegate captured or a reference outside the network's modules, cannot be
/// found; it keeps what was replaced.
/// </remarks>
internal sealed class ModuleExchange
{
    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private readonly ModuleTree _tree;
    private readonly IReadOnlyDictionary<torch.nn.Module, Type> _types;
    private readonly Dictionary<torch.nn.Module, string> _names;
    private readonly List<(torch.nn.Module Old, Action<torch.nn.Module> Put)> _places = [];
    private readonly List<string> _obstacles = [];

    /// <summary>Finds the places.</summary>
    /// <param name="tree">The network.</param>
    /// <param name="types">What is replaced, by reference, and the type of what replaces it; not the root.</param>
    internal ModuleExchange(ModuleTree tree, IReadOnlyDictionary<torch.nn.Module, Type> types)
    {
        (_tree, _types) = (tree, types);
        var distinct = tree.Modules.Where(entry => entry.AliasOf is null).ToList();
        _names = distinct.ToDictionary<ModuleEntry, torch.nn.Module, string>(entry => entry.Module, entry => entry.Name, ReferenceEqualityComparer.Instance);
        foreach (var entry in distinct)
        {
            var inFields = VisitFields(entry.Module);
            VisitChildren(entry.Module, inFields);
        }
    }

    /// <summary>The modules that cannot be replaced, each with the reason in brackets; empty where all can.</summary>
    internal IReadOnlyList<string> Obstacles => _obstacles;

    /// <summary>Makes the exchange.</summary>
    /// <param name="replacements">What replaces each module, by reference.</param>
    internal void Run(IReadOnlyDictionary<torch.nn.Module, torch.nn.Module> replacements)
    {
        foreach (var (old, put) in _places) put(replacements[old]);
        foreach (var staged in _tree.Modules.Select(entry => entry.Module).OfType<IStagedNetwork>())
            foreach (var stage in staged.Stages) stage.Exchange(replacements);
    }

    /// <summary>The fields of a module that hold what is replaced, those of its base types included.</summary>
    /// <returns>The modules that were found in fields.</returns>
    private HashSet<torch.nn.Module> VisitFields(torch.nn.Module owner)
    {
        var found = new HashSet<torch.nn.Module>(ReferenceEqualityComparer.Instance);
        for (var type = owner.GetType(); type is not null && type.Assembly != typeof(torch).Assembly; type = type.BaseType)
        {
            foreach (var field in type.GetFields(Declared))
            {
                var value = field.GetValue(owner);
                if (value is torch.nn.Module held && _types.TryGetValue(held, out var replacement))
                {
                    found.Add(held);
                    if (field.FieldType.IsAssignableFrom(replacement)) _places.Add((held, module => field.SetValue(owner, module)));
                    else Refuse(held, $"the field {NameOf(field)} of {type.Name} is declared as {field.FieldType.Name}");
                }

                foreach (var item in ItemsOf(value).Where(_types.ContainsKey))
                {
                    found.Add(item);
                    Refuse(item, $"the field {NameOf(field)} of {type.Name} is a plain collection; use a ModuleList or ModuleDict");
                }
            }
        }

        return found;
    }

    private void VisitChildren(torch.nn.Module parent, HashSet<torch.nn.Module> inFields)
    {
        foreach (var (name, child) in parent.named_children().Where(pair => _types.ContainsKey(pair.module)).ToList())
        {
            if (ModuleComponents.Children(parent).ContainsKey(name)) _places.Add((child, module => ModuleComponents.Children(parent)[name] = module));
            if (!VisitContainer(parent, name, child) && !ModuleTypes.IsLibraryType(parent) && !inFields.Contains(child))
                Refuse(child, $"{parent.GetType().Name} holds it in no field of its own, so that its forward would not use another");
        }
    }

    /// <summary>Where one of TorchSharp's containers keeps a child besides; false where the module is no container.</summary>
    private bool VisitContainer(torch.nn.Module parent, string name, torch.nn.Module child)
    {
        for (var type = parent.GetType(); type is not null; type = type.BaseType)
        {
            if (type.Assembly != typeof(torch).Assembly) continue;
            var generic = type.IsGenericType ? type.GetGenericTypeDefinition() : null;
            if (type == typeof(Sequential) || generic == typeof(Sequential<,>)) VisitList(ListOf(type, "_modules", parent), child);
            else if (generic == typeof(ModuleList<>)) VisitList(ListOf(type, "_list", parent), child);
            else if (generic == typeof(ModuleDict<>)) VisitDictionary(type, parent, name, child);
            else continue;
            return true;
        }

        return false;
    }

    private void VisitList(IList list, torch.nn.Module child)
    {
        var element = list.GetType().GetGenericArguments()[0];
        if (!element.IsAssignableFrom(_types[child])) Refuse(child, $"it lies in a list of {element.Name}");
        for (var i = 0; i < list.Count; i++)
        {
            var at = i;
            if (ReferenceEquals(list[i], child)) _places.Add((child, module => list[at] = module));
        }
    }

    private void VisitDictionary(Type type, torch.nn.Module parent, string name, torch.nn.Module child)
    {
        var element = type.GetGenericArguments()[0];
        if (!element.IsAssignableFrom(_types[child])) Refuse(child, $"it lies in a dictionary of {element.Name}");
        var indexer = type.GetProperty("Item", element, [typeof(string)])!;
        _places.Add((child, module => indexer.SetValue(parent, module, [name])));
    }

    private static IList ListOf(Type type, string field, torch.nn.Module module) =>
        type.GetField(field, Declared)?.GetValue(module) as IList
        ?? throw new FrostlineException(
            $"TorchSharp {type.Assembly.GetName().Version} keeps the modules of a {type.Name} where Frostline cannot see them; use version 0.107");

    private static IEnumerable<torch.nn.Module> ItemsOf(object? value) => value switch
    {
        // A container among TorchSharp's modules is visited as a module.
        torch.nn.Module => [],
        IDictionary dictionary => dictionary.Values.OfType<torch.nn.Module>(),
        IList list => list.OfType<torch.nn.Module>(),
        _ => [],
    };

    /// <summary>The name of a field, or of the property that it stores.</summary>
    private static string NameOf(FieldInfo field) =>
        field.Name.StartsWith('<') && field.Name.IndexOf('>', StringComparison.Ordinal) is > 0 and var end ? field.Name[1..end] : field.Name;

    private void Refuse(torch.nn.Module module, string reason) => _obstacles.Add($"\"{_names[module]}\" ({reason})");
}
