using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Testing;

/// <summary>What is wrong with a <see cref="FaultyNetwork"/>.</summary>
public enum Fault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The branch is detached.</summary>
    DetachedBranch,

    /// <summary>The branch is called within <c>no_grad</c>.</summary>
    BranchWithoutGrad,

    /// <summary>The branch computes within <c>no_grad</c>, by <c>forward</c>, which no hook sees.</summary>
    HiddenBranchWithoutGrad,

    /// <summary>The branch is not used.</summary>
    UnusedBranch,

    /// <summary>The output is detached.</summary>
    DetachedOutput,

    /// <summary>The output is the logarithm of a negative number.</summary>
    NotANumber,

    /// <summary>The branch's output is below zero everywhere and then rectified.</summary>
    DeadBranch,
}

/// <summary>
/// A stem, a body (linear, norm, ReLU, dropout), a residual branch (two linear layers) and a head, wired wrongly if asked to. TorchSharp
/// trains all of them without a word, except where nothing at all has a gradient.
/// </summary>
public sealed class FaultyNetwork : nn.Module<Tensor, Tensor>
{
    private const int Width = 8;

    private readonly Fault _fault;
    private readonly Linear stem;
    private readonly Sequential body;
    private readonly Sequential branch;
    private readonly Linear head;

    /// <summary>Creates the network.</summary>
    /// <param name="fault">What is wrong with it.</param>
    /// <param name="inputs">How many numbers a sample has.</param>
    /// <param name="classes">How many classes there are.</param>
    public FaultyNetwork(Fault fault, int inputs, int classes)
        : base(nameof(FaultyNetwork))
    {
        _fault = fault;
        stem = nn.Linear(inputs, Width);
        body = nn.Sequential(
            ("linear", nn.Linear(Width, Width)), ("norm", nn.BatchNorm1d(Width)), ("relu", nn.ReLU()), ("drop", nn.Dropout(0.2)));
        branch = nn.Sequential(("first", nn.Linear(Width, Width)), ("second", nn.Linear(Width, Width)));
        head = nn.Linear(Width, classes);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = body.call(stem.call(input));
        var logits = head.call(x.add(Branch(x)));
        logits = _fault switch
        {
            Fault.DetachedOutput => logits.detach(),
            Fault.NotANumber => logits.square().neg().log(),
            _ => logits,
        };
        return logits.MoveToOuterDisposeScope();
    }

    private Tensor Branch(Tensor x)
    {
        switch (_fault)
        {
            case Fault.UnusedBranch: return zeros_like(x);
            case Fault.DetachedBranch: return branch.call(x).detach();
            case Fault.DeadBranch: return nn.functional.relu(branch.call(x).square().neg());
            case Fault.BranchWithoutGrad:
                using (no_grad()) return branch.call(x);
            case Fault.HiddenBranchWithoutGrad:
                using (no_grad())
                {
                    return branch.children().Aggregate(x, (value, layer) => ((nn.Module<Tensor, Tensor>)layer).forward(value));
                }

            default: return branch.call(x);
        }
    }
}
