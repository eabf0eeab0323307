using Frostline.Modules;

namespace Frostline.Initialization;

/// <summary>What the rules of a plan have decided so far, asked from the last rule to the first.</summary>
internal sealed class PlanDecisions(PlannedNetwork network)
{
    private readonly Dictionary<PlannedTensor, Decision> _decided = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<PlannedTensor, PlanRule> _declined = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<PlannedTensor, PlanRule> _left = new(ReferenceEqualityComparer.Instance);
    private readonly Stack<PendingLoad> _loads = new();

    public PlannedNetwork Network { get; } = network;

    /// <summary>What each <c>Load</c> rule found, in the plan's order.</summary>
    public IReadOnlyCollection<PendingLoad> Loads => _loads;

    public bool IsOpen(PlannedTensor tensor) => !_decided.ContainsKey(tensor);

    public Decision? Of(PlannedTensor tensor) => _decided.GetValueOrDefault(tensor);

    public void Add(PlanRule rule, PlannedTensor tensor, Assignment assignment) =>
        _decided.Add(tensor, new Decision(rule.Text, assignment));

    public void Add(PendingLoad load) => _loads.Push(load);

    /// <summary>Notes that a scheme knows no initializer for a parameter, which an earlier rule may still decide.</summary>
    public void Decline(PlanRule rule, PlannedTensor tensor) => _declined.TryAdd(tensor, rule);

    /// <summary>Notes that a rule leaves a tensor to an earlier rule, which there must be.</summary>
    public void Leave(PlanRule rule, PlannedTensor tensor) => _left.TryAdd(tensor, rule);

    /// <summary>Decides what is left, and checks that every copy leads to a value.</summary>
    /// <param name="rules">The plan's rules, in order.</param>
    /// <exception cref="InitializationException">A scheme lacked an initializer, or copies go in a circle.</exception>
    public void Finish(IReadOnlyList<PlanRule> rules)
    {
        foreach (var tensor in Network.Tensors.Where(IsOpen))
        {
            if (_declined.TryGetValue(tensor, out var rule))
            {
                var owner = Network.Tree.Selection.Nodes.First(node => node.Name == tensor.Entry.Owner);
                var type = owner.Types.Count > 0 ? owner.Types[0] : "module";
                throw new InitializationException(
                    $"{rule.Text}: the scheme has no initializer for {tensor.Name} {tensor.Info.ShapeText} of a {type}; "
                    + "put a rule for it into the plan")
                {
                    Rule = IndexOf(rule.Text, rules),
                };
            }

            if (_left.TryGetValue(tensor, out var leaving))
                throw new InitializationException(
                    $"{leaving.Text}: {tensor.Name} {tensor.Info.ShapeText} has another shape in the file and is left to an earlier "
                    + "rule, and there is none; put a draw before")
                {
                    Rule = IndexOf(leaving.Text, rules),
                };
            _decided.Add(tensor, new Decision(TensorProvenance.NoRule, new KeepAssignment()));
        }

        foreach (var tensor in Network.Tensors)
            if (_decided[tensor].Assignment is KeepAssignment && DeferredTensor.IsDeferred(tensor.Entry.Tensor))
                throw new InitializationException(
                    $"{_decided[tensor].Rule}: {tensor.Name} was constructed without a value, so that there is none to keep; "
                    + "draw, load or set it");

        foreach (var tensor in Network.Tensors)
        {
            var seen = new HashSet<PlannedTensor>(ReferenceEqualityComparer.Instance);
            for (var at = tensor; _decided[at].Assignment is CopyAssignment copy; at = copy.From)
                if (!seen.Add(at)) throw new InitializationException(
                    $"{_decided[tensor].Rule}: {tensor.Name} would be copied from itself, in a circle")
                {
                    Rule = IndexOf(_decided[tensor].Rule, rules),
                };
        }
    }

    // Of two equal rules the last is the one that decides.
    private static int IndexOf(string text, IReadOnlyList<PlanRule> rules) => rules.Select(rule => rule.Text).ToList().LastIndexOf(text);
}

/// <summary>The rule that decided a tensor, and how.</summary>
internal sealed record Decision(string Rule, Assignment Assignment);
