using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Vision.Networks;

/// <summary>
/// Parallel branches of residual blocks, each at half the resolution of the one before, and then an exchange: what each branch puts out is the
/// sum of all of them, brought to its size (Sun et al. 2019, figure 3; equations 1 and 2). Names as in the published code.
/// </summary>
internal sealed class HighResolutionModule : nn.Module
{
    private readonly ModuleSlots<Sequential> branches;
    private readonly ModuleSlots<ModuleSlots<Sequential>> fuse_layers;
    private readonly int _inputs;
    private readonly int _outputs;

    /// <summary>Creates the module.</summary>
    /// <param name="layout">The network's sizes.</param>
    /// <param name="count">How many branches it has.</param>
    /// <param name="outputs">How many it puts out, from the highest resolution on.</param>
    public HighResolutionModule(HRNetLayout layout, int count, int outputs)
        : base(nameof(HighResolutionModule))
    {
        (_inputs, _outputs) = (count, outputs);
        branches = new(Enumerable.Range(0, count).Select(i => Branch(layout.ChannelsOf(i), layout.Blocks)));
        fuse_layers = new(Enumerable.Range(0, outputs).Select(to =>
            new ModuleSlots<Sequential>(Enumerable.Range(0, count).Select(from => Fuse(layout, from, to)))));
        RegisterComponents();
    }

    /// <summary>What it computes.</summary>
    /// <param name="operations">The interpreter.</param>
    /// <param name="x">What each branch reads, <c>[N, C 2^i, H / 2^i, W / 2^i]</c>.</param>
    /// <returns>What each branch that is put out becomes, of the same shapes.</returns>
    public IReadOnlyList<Value> Apply(Operations operations, IReadOnlyList<Value> x)
    {
        Value[] y = [.. Enumerable.Range(0, _inputs).Select(i => operations.Call(branches[i]!, x[i]))];
        return [.. Enumerable.Range(0, _outputs).Select(to => Exchange(operations, y, to))];
    }

    private static Sequential Branch(int channels, int blocks)
    {
        var branch = nn.Sequential();
        for (var i = 0; i < blocks; i++) branch.append(new BasicBlock(channels, channels, 1));
        return branch;
    }

    /// <summary>What brings a branch to another's channels and, where that is smaller, to its size; null for the branch itself.</summary>
    private static Sequential? Fuse(HRNetLayout layout, int from, int to)
    {
        if (from == to) return null;
        var (read, written) = (layout.ChannelsOf(from), layout.ChannelsOf(to));
        if (from > to) return nn.Sequential(("0", nn.Conv2d(read, written, 1, bias: false)), ("1", nn.BatchNorm2d(written)));
        // Channels change, and ReLU is missing, in the last step only.
        return nn.Sequential([.. Enumerable.Range(from, to - from).Select(step => (
            $"{step - from}",
            (nn.Module<Tensor, Tensor>)(step + 1 == to ? Halving.Linear(read, written) : Halving.WithRelu(read, read))))]);
    }

    private Value Exchange(Operations operations, Value[] y, int to)
    {
        var sum = Term(0);
        for (var from = 1; from < _inputs - 1; from++) sum = operations.Add(sum, Term(from));
        return operations.AddRelu(sum, Term(_inputs - 1));

        Value Term(int from)
        {
            if (fuse_layers[to]![from] is not { } fuse) return y[from];
            var term = operations.Call(fuse, y[from]);
            return from < to ? term : operations.Resize(term, y[to].Shape[2], y[to].Shape[3], ResizeMode.Nearest);
        }
    }
}

/// <summary>A 3 x 3 convolution of stride 2 and a norm.</summary>
internal static class Halving
{
    /// <summary>Without an activation.</summary>
    public static Sequential Linear(int inputs, int outputs) =>
        nn.Sequential(("0", nn.Conv2d(inputs, outputs, 3, 2, padding: 1, bias: false)), ("1", nn.BatchNorm2d(outputs)));

    /// <summary>With ReLU.</summary>
    public static Sequential WithRelu(int inputs, int outputs) => nn.Sequential(
        ("0", nn.Conv2d(inputs, outputs, 3, 2, padding: 1, bias: false)), ("1", nn.BatchNorm2d(outputs)), ("2", nn.ReLU()));
}
