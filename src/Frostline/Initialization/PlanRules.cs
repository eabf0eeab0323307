using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Selection;

namespace Frostline.Initialization;

/// <summary>One rule of an <see cref="InitializationPlan"/>.</summary>
/// <param name="Text">The rule as reports and messages print it.</param>
internal abstract record PlanRule(string Text)
{
    /// <summary>Decides tensors that no later rule has decided.</summary>
    /// <exception cref="FrostlineException">The rule matches nothing, or cannot do what it says.</exception>
    public abstract void Decide(PlanDecisions decisions);
}

/// <summary>Draws by an initializer: parameters, or buffers where only buffers are selected.</summary>
internal sealed record DrawRule(Selector Selector, Initializer Initializer)
    : PlanRule($"draw \"{Selector.Text}\" by {Initializer}")
{
    public override void Decide(PlanDecisions decisions)
    {
        foreach (var tensor in ParametersFirst(decisions.Network.Select(Text, Selector)))
            if (decisions.IsOpen(tensor)) decisions.Add(this, tensor, DrawAssignment.Checked(Text, tensor, Initializer));
    }

    /// <summary>
    /// A selector such as <c>layer4.**</c> also selects counters and running statistics, which one value or one distribution does
    /// not suit: they are meant only where nothing else is selected.
    /// </summary>
    internal static IReadOnlyList<PlannedTensor> ParametersFirst(IReadOnlyList<PlannedTensor> selected)
    {
        var parameters = selected.Where(tensor => tensor.Entry.Kind == NodeKind.Parameter).ToList();
        return parameters.Count > 0 ? parameters : selected;
    }
}

/// <summary>
/// Draws by a scheme: what it knows of the selected tensors; it must know every parameter that no earlier rule decides.
/// </summary>
internal sealed record SchemeRule(Selector Selector, InitializationScheme Scheme)
    : PlanRule($"draw \"{Selector.Text}\" by scheme {Scheme.Name}")
{
    public override void Decide(PlanDecisions decisions)
    {
        var initializers = Scheme.Resolve(decisions.Network.Tree.Selection);
        foreach (var tensor in decisions.Network.Select(Text, Selector).Where(decisions.IsOpen))
        {
            var name = tensor.Names.FirstOrDefault(initializers.ContainsKey);
            if (name is not null) decisions.Add(this, tensor, DrawAssignment.Checked(Text, tensor, initializers[name]));
            else if (tensor.Entry.Kind == NodeKind.Parameter) decisions.Decline(this, tensor);
        }
    }
}

/// <summary>Leaves everything selected as constructed.</summary>
internal sealed record KeepRule(Selector Selector)
    : PlanRule($"keep \"{Selector.Text}\"")
{
    public override void Decide(PlanDecisions decisions)
    {
        foreach (var tensor in decisions.Network.Select(Text, Selector))
            if (decisions.IsOpen(tensor)) decisions.Add(this, tensor, new KeepAssignment());
    }
}

/// <summary>Sets every element: of parameters, or of buffers where only buffers are selected.</summary>
internal sealed record SetRule(Selector Selector, double Value)
    : PlanRule(string.Create(CultureInfo.InvariantCulture, $"set \"{Selector.Text}\" to {Value:R}"))
{
    public override void Decide(PlanDecisions decisions)
    {
        foreach (var tensor in DrawRule.ParametersFirst(decisions.Network.Select(Text, Selector)))
            if (decisions.IsOpen(tensor)) decisions.Add(this, tensor, SetAssignment.Checked(Text, tensor, Value, reason: null));
    }
}

/// <summary>Copies a tensor, or all that a module holds, from another of the same network.</summary>
internal sealed record CopyRule(string To, string From, CopyFit Fit)
    : PlanRule($"copy \"{To}\" from \"{From}\"{(Fit == CopyFit.Exact ? "" : $", fit {CopyFitting.NameOf(Fit)}")}")
{
    public override void Decide(PlanDecisions decisions)
    {
        var network = decisions.Network;
        var tensors = Below(network, To);
        // A misspelt module would otherwise be told as a missing counterpart.
        Below(network, From);
        var fits = Fit == CopyFit.Exact;
        foreach (var tensor in tensors)
        {
            var source = From + tensor[To.Length..];
            var from = network.Find(source) ?? throw new InitializationException(
                $"{Text}: {tensor} has no counterpart {source}; copy the parts that have one");
            var to = network.Find(tensor)!;
            var adaptation = Adapt(network, to, from);
            fits |= adaptation is not null;
            if (to.Info.Type != from.Info.Type && !(Elements.IsFloat(to.Info.Type) && Elements.IsFloat(from.Info.Type)))
                throw new InitializationException(
                    $"{Text}: {tensor} is {to.Info.Type} and {source} is {from.Info.Type}; such values are not cast");
            if (to == from) throw new InitializationException($"{Text}: {tensor} is {source} already; remove the rule");
            if (decisions.IsOpen(to)) decisions.Add(this, to, new CopyAssignment(from, adaptation));
        }

        if (!fits) throw new InitializationException($"{Text}: all shapes are equal, so that nothing has to be made to fit; remove the fit");
    }

    private Adaptation? Adapt(PlannedNetwork network, PlannedTensor to, PlannedTensor from)
    {
        if (to.Info.Shape.SequenceEqual(from.Info.Shape)) return null;
        if (Fit == CopyFit.Exact)
            throw new InitializationException(
                $"{Text}: {to.Name} is {to.Info.ShapeText} and {from.Name} is {from.Info.ShapeText}; shapes must be equal, or say how it fits");
        var layer = network.Tree.Selection.Nodes.First(node => node.Name == to.Entry.Owner).Types;
        var (adaptation, problem) = CopyFitting.Plan(Fit, from.Info, to.Info, layer);
        return problem is null ? adaptation : throw new InitializationException($"{Text}: {to.Name} {problem}");
    }

    private List<string> Below(PlannedNetwork network, string name)
    {
        var below = network.Tree.Tensors.Select(entry => entry.Name)
            .Where(tensor => tensor == name || tensor.StartsWith(name + ".", StringComparison.Ordinal)).ToList();
        if (below.Count > 0) return below;
        var names = network.Tree.Selection.Nodes.Select(node => node.Name);
        throw new InitializationException(
            $"{Text}: there is no parameter, buffer or module \"{name}\" with values{NearestNames.Hint(name, names)}");
    }
}
