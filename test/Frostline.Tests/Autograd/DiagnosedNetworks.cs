using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Tests.Autograd;

/// <summary>A convolution and a norm around which the input goes.</summary>
internal sealed class Residual : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d inner = nn.Conv2d(1, 1, 3, padding: 1);
    private readonly BatchNorm2d last = nn.BatchNorm2d(1);

    internal Residual()
        : base(nameof(Residual)) => RegisterComponents();

    public override Tensor forward(Tensor input) => input.add(last.forward(inner.forward(input)));
}

/// <summary>Three towers, of which the second is not used and the others are detached, and a head.</summary>
internal sealed class Towers : nn.Module<Tensor, Tensor>
{
    private readonly ModuleList<nn.Module<Tensor, Tensor>> towers;
    private readonly Linear head;

    internal Towers(int size)
        : base(nameof(Towers))
    {
        towers = new ModuleList<nn.Module<Tensor, Tensor>>([.. Enumerable.Range(0, 3).Select(_ => nn.Sequential(nn.Linear(size, size), nn.Linear(size, size)))]);
        head = nn.Linear(size, 2);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => head.call(towers[0].call(input).add(towers[2].call(input)).detach());
}

/// <summary>Counts its steps in a frozen parameter, in place: trained, that is refused by libtorch.</summary>
internal sealed class Counting : nn.Module<Tensor, Tensor>
{
    private readonly Linear linear = nn.Linear(3, 3);
    private readonly Parameter steps = new(zeros(1));

    internal Counting()
        : base(nameof(Counting)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        steps.add_(ones(1));
        return linear.forward(input);
    }
}

/// <summary>One weight under two names, used twice.</summary>
internal sealed class TiedHead : nn.Module<Tensor, Tensor>
{
    private readonly Linear first = nn.Linear(3, 3, hasBias: false);
    private readonly Parameter second;

    internal TiedHead()
        : base(nameof(TiedHead))
    {
        second = first.weight!;
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => nn.functional.linear(first.forward(input), second);
}

/// <summary>A layer that is left out of every other step, at random.</summary>
internal sealed class StochasticDepth : nn.Module<Tensor, Tensor>
{
    private readonly Linear always = nn.Linear(3, 3);
    private readonly Linear sometimes = nn.Linear(3, 3);

    internal StochasticDepth()
        : base(nameof(StochasticDepth)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        var x = always.forward(input);
        return rand(1).item<float>() < 0.5f ? x : x.add(sometimes.forward(x));
    }
}
