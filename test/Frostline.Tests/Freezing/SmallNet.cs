using Frostline.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary>A backbone with norms in a Sequential, a list and a dictionary, called by <c>forward</c> and by <c>call</c>, and a head.</summary>
internal sealed class SmallNet : nn.Module<Tensor, Tensor>
{
    internal readonly Sequential stem;
    internal readonly ModuleList<nn.Module<Tensor, Tensor>> list;
    internal readonly ModuleDict<nn.Module<Tensor, Tensor>> dict = new();
    internal readonly OwnBlock block = new();
    internal readonly Linear head = nn.Linear(4, 2);

    internal SmallNet()
        : base(nameof(SmallNet))
    {
        stem = nn.Sequential(("conv", nn.Conv2d(1, 4, 3, padding: 1)), ("bn", nn.BatchNorm2d(4)), ("relu", nn.ReLU()), ("drop", nn.Dropout(0.5)));
        list = new ModuleList<nn.Module<Tensor, Tensor>>(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4));
        dict.Add("norm", nn.BatchNorm2d(4));
        register_buffer("scale", ones(1));
        register_buffer("hidden", ones(3), persistent: false);
        RegisterComponents();
    }

    internal BatchNorm2d StemNorm => (BatchNorm2d)stem.children().ElementAt(1);

    internal Conv2d StemConv => (Conv2d)stem.children().First();

    internal Dropout StemDropout => (Dropout)stem.children().ElementAt(3);

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = stem.forward(input);
        foreach (var module in list) x = module.forward(x);
        x = dict["norm"].call(x);
        x = block.forward(x);
        return head.forward(x.mean([2, 3])).MoveToOuterDisposeScope();
    }

    /// <summary>Steps of plain training, with the mode set as training loops do.</summary>
    internal void Train(optim.Optimizer optimizer, int steps = 3)
    {
        for (var i = 0; i < steps; i++)
        {
            using var pause = FinalizerPause.Enter();
            using var scope = NewDisposeScope();
            train();
            optimizer.zero_grad();
            forward(randn(8, 1, 5, 5)).square().mean().backward();
            optimizer.step();
        }
    }
}

/// <summary>A module of the user's own, with its own use of the training flag.</summary>
internal sealed class OwnBlock : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d conv = nn.Conv2d(4, 4, 1);
    private readonly BatchNorm2d bn = nn.BatchNorm2d(4);

    internal OwnBlock()
        : base(nameof(OwnBlock)) => RegisterComponents();

    public override Tensor forward(Tensor input) =>
        nn.functional.dropout(bn.forward(conv.forward(input)), 0.5, training);
}
