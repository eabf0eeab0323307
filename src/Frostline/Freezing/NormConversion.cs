using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;

namespace Frostline.Freezing;

/// <summary>Exchanges the norms of a network that a selector chooses; everything is checked before anything is changed.</summary>
internal static class NormConversion
{
    /// <summary>Exchanges norms.</summary>
    /// <typeparam name="TNorm">What is replaced.</typeparam>
    /// <param name="network">The network.</param>
    /// <param name="selector">Which norms.</param>
    /// <param name="obstacle">Why a norm cannot be replaced, to be read after its name; null where it can.</param>
    /// <param name="typeOf">The type of what replaces a norm.</param>
    /// <param name="convert">Makes what replaces a norm; changes nothing.</param>
    /// <returns>The names of the norms, in the network's order.</returns>
    internal static IReadOnlyList<string> Run<TNorm>(
        torch.nn.Module network, string selector, Func<TNorm, string?> obstacle, Func<TNorm, Type> typeOf, Func<TNorm, torch.nn.Module> convert)
        where TNorm : torch.nn.Module
    {
        ArgumentNullException.ThrowIfNull(network);
        var tree = ModuleTree.Of(network);
        var chosen = Selector.Parse(selector).Require(tree.Selection).Modules;
        var norms = tree.Modules.Where(entry => entry.Module is TNorm && chosen.Contains(entry.Name))
            .Select(entry => (TNorm)entry.Module).Distinct<TNorm>(ReferenceEqualityComparer.Instance).ToList();
        if (norms.Count == 0) throw new FreezeException($"the selector \"{selector}\" chooses no {typeof(TNorm).Name}; choose the norms to convert");
        RefuseApplied(network);
        RefuseEach(tree, norms, obstacle);

        var exchange = new ModuleExchange(tree, norms.ToDictionary<TNorm, torch.nn.Module, Type>(norm => norm, typeOf, ReferenceEqualityComparer.Instance));
        if (exchange.Obstacles.Count > 0)
        {
            throw new FreezeException(
                $"{FreezeException.Few(exchange.Obstacles)} cannot be replaced; declare such fields as nn.Module<Tensor, Tensor>, " +
                "or freeze with a plan, which needs no replacement");
        }

        exchange.Run(norms.ToDictionary<TNorm, torch.nn.Module, torch.nn.Module>(norm => norm, convert, ReferenceEqualityComparer.Instance));
        var names = tree.Modules.Where(entry => entry.Module is TNorm norm && norms.Contains(norm, ReferenceEqualityComparer.Instance)).Select(entry => entry.Name).ToList();
        // Whoever still holds one shall notice, instead of training what is no longer in the network.
        foreach (var norm in norms) norm.Dispose();
        return names;
    }

    private static void RefuseEach<TNorm>(ModuleTree tree, List<TNorm> norms, Func<TNorm, string?> obstacle)
        where TNorm : torch.nn.Module
    {
        var names = tree.Modules.Where(entry => entry.AliasOf is null).ToDictionary<ModuleEntry, torch.nn.Module, string>(
            entry => entry.Module, entry => entry.Name, ReferenceEqualityComparer.Instance);
        var modules = tree.Modules.ToDictionary(entry => entry.Name, entry => entry.Module, StringComparer.Ordinal);
        var owners = tree.Tensors.ToLookup(entry => entry.AliasOf ?? entry.Name, entry => modules[entry.Owner], StringComparer.Ordinal);
        foreach (var norm in norms)
        {
            if (names[norm].Length == 0)
                throw new FreezeException("the network is itself the norm, and nothing holds it where another could be put; convert the norm alone, or freeze it with a plan");
            var why = obstacle(norm);
            if (why is null && owners.Any(group => group.Contains(norm) && group.Any(owner => !ReferenceEquals(owner, norm))))
                why = "shares a tensor with another module, which a copy would untie; freeze both with a plan";
            if (why is not null) throw new FreezeException($"\"{names[norm]}\" cannot be replaced: it {why}");
        }
    }

    /// <summary>A plan that holds modules leaves guards on them; one that holds none notices by itself that modules were exchanged.</summary>
    private static void RefuseApplied(torch.nn.Module network)
    {
        foreach (var module in network.named_modules().Select(pair => pair.module).Prepend(network))
        {
            if (FrozenModel.IsApplied(module))
                throw new FreezeException("the network is part of a frozen model; dispose that before norms are replaced, and apply the plan afterwards");
        }
    }
}
