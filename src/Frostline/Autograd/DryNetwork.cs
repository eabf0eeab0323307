using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Native;
using Frostline.Selection;
using TorchSharp;

namespace Frostline.Autograd;

/// <summary>What a gradient is.</summary>
internal enum GradientState
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>All of it is exactly zero.</summary>
    Zero,

    /// <summary>Something of it is not.</summary>
    Some,
}

/// <summary>One forward and backward pass.</summary>
/// <param name="Loss">The loss.</param>
/// <param name="LossHasGradient">Whether the loss depends on anything trained, as far as the graph knows.</param>
/// <param name="Gradients">What each trained parameter got, in the network's order.</param>
internal sealed record DryStep(double Loss, bool LossHasGradient, IReadOnlyList<(TensorEntry Entry, GradientState State)> Gradients)
{
    /// <summary>The trained parameters with a gradient of that kind.</summary>
    internal IEnumerable<TensorEntry> With(GradientState state) => Gradients.Where(pair => pair.State == state).Select(pair => pair.Entry);

    /// <summary>This step, with what parameters without a gradient got in another one.</summary>
    internal DryStep Or(DryStep other) => this with
    {
        LossHasGradient = LossHasGradient || other.LossHasGradient,
        Gradients = [.. Gradients.Zip(other.Gradients, (own, others) => own.State == GradientState.None ? others : own)],
    };
}

/// <summary>
/// A network on which losses are computed, and which is what it was before each of them and at the end: values, modes,
/// <c>requires_grad</c>, the generator. Gradients are computed apart from the parameters' own, which are not touched.
/// </summary>
internal sealed class DryNetwork : IDisposable
{
    private const int Draws = 4;

    private readonly long _seed;
    private readonly ModuleModes _modes;
    private readonly Fingerprints _before;
    private readonly torch.Tensor _generator;
    private readonly List<(TensorEntry Entry, torch.Tensor Copy, bool RequiresGrad)> _found = [];

    internal DryNetwork(FrozenModel frozen, long seed)
    {
        _seed = seed;
        Tree = ModuleTree.Of(frozen.Network);
        Trained = [.. frozen.Trained.Select(trained => Tree.Find(trained.Name)!)];
        _modes = ModuleModes.Capture(Tree);
        _before = Fingerprints.Of(Tree);
        _generator = torch.random.get_rng_state().DetachFromDisposeScope();
        foreach (var entry in Tree.DistinctTensors)
        {
            using var detached = entry.Tensor.detach();
            _found.Add((entry, detached.clone().DetachFromDisposeScope(), entry.Tensor.requires_grad));
        }
    }

    /// <summary>The network's modules and tensors.</summary>
    internal ModuleTree Tree { get; }

    /// <summary>The parameters that are trained, tied ones once.</summary>
    internal IReadOnlyList<TensorEntry> Trained { get; }

    /// <summary>Computes the loss as a training step would, from the values that were found.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="use">Is given the loss and its number; what it returns must not need them.</param>
    /// <param name="prepare">Changes the network before; taken back afterwards. Null for nothing.</param>
    /// <param name="draw">Which random numbers; the same ones for the same number.</param>
    internal T Run<T>(Func<torch.Tensor> loss, Func<torch.Tensor, double, T> use, Action? prepare = null, int draw = 0)
    {
        RestoreValues();
        using var pause = FinalizerPause.Enter();
        using var scope = torch.NewDisposeScope();
        prepare?.Invoke();
        using (torch.manual_seed(unchecked(_seed + draw)))
        {
        }

        var value = loss();
        if (value.numel() != 1)
            throw new FrostlineException($"the loss is of shape [{string.Join(", ", value.shape)}] and has to be one number; take its mean or sum");
        return use(value, value.detach().to(torch.float64).item<double>());
    }

    /// <summary>
    /// A forward and a backward pass. Where parameters have no gradient, a few more with other random numbers: a layer that is left out at
    /// random (stochastic depth) has one now and then.
    /// </summary>
    internal DryStep Step(Func<torch.Tensor> loss)
    {
        var step = Pass(loss, 0);
        for (var draw = 1; draw < Draws && double.IsFinite(step.Loss) && step.With(GradientState.None).Any(); draw++) step = step.Or(Pass(loss, draw));
        return step;
    }

    /// <summary>The graph of the loss if every parameter were trained.</summary>
    internal GradientGraph GraphOfEverything(Func<torch.Tensor> loss)
    {
        try
        {
            return Run(loss, (value, _) => GradientGraph.Of(value, Tree.Root), () =>
            {
                foreach (var (entry, _, _) in _found)
                    if (entry.Kind == NodeKind.Parameter && entry.Tensor.is_floating_point()) entry.Tensor.requires_grad = true;
            });
        }
        finally
        {
            RestoreRequiresGrad();
        }
    }

    /// <summary>Takes everything back.</summary>
    public void Dispose()
    {
        try
        {
            RestoreValues();
            RestoreRequiresGrad();
            torch.random.set_rng_state(_generator);
        }
        finally
        {
            foreach (var (_, copy, _) in _found) copy.Dispose();
            _generator.Dispose();
        }
    }

    private DryStep Pass(Func<torch.Tensor> loss, int draw) => Run(
        loss,
        (value, number) =>
        {
            if (!value.requires_grad || Trained.Count == 0)
                return new DryStep(number, value.requires_grad, [.. Trained.Select(entry => (entry, GradientState.None))]);
            var gradients = torch.autograd.grad([value.sum()], [.. Trained.Select(entry => entry.Tensor)], allow_unused: true);
            return new DryStep(number, true, [.. Trained.Select((entry, i) => (entry, StateOf(gradients[i])))]);
        },
        draw: draw);

    private void RestoreValues()
    {
        _modes.Restore();
        // Written only where a bit differs: memory that nobody wrote to may still be shared with the file that it came from.
        var now = Fingerprints.Of(Tree);
        using var noGrad = torch.no_grad();
        foreach (var (entry, copy, _) in _found)
            if (now.Find(entry.Name) != _before.Find(entry.Name)) entry.Tensor.copy_(copy);
    }

    private void RestoreRequiresGrad()
    {
        foreach (var (entry, _, requiresGrad) in _found)
            if (entry.Tensor.requires_grad != requiresGrad) entry.Tensor.requires_grad = requiresGrad;
    }

    private static GradientState StateOf(torch.Tensor? gradient)
    {
        // TorchSharp gives a tensor without a handle where libtorch gives none.
        if (gradient is null || gradient.IsInvalid) return GradientState.None;
        using var nonzero = gradient.count_nonzero();
        return nonzero.item<long>() == 0 ? GradientState.Zero : GradientState.Some;
    }
}
