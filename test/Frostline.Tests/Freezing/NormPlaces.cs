using Frostline.Freezing;
using Frostline.Staging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary>Norms in every place in which a module may lie, one of them in two; all are used by the forward.</summary>
internal sealed class Places : nn.Module<Tensor, Tensor>
{
    internal readonly nn.Module<Tensor, Tensor> field = nn.BatchNorm2d(4);
    internal readonly Sequential first = nn.Sequential(("0", nn.Conv2d(4, 4, 1)), ("1", nn.BatchNorm2d(4)), ("2", nn.ReLU()));
    internal readonly Typed generic = new();
    internal readonly ModuleList<nn.Module<Tensor, Tensor>> list;
    internal readonly ModuleDict<nn.Module<Tensor, Tensor>> dict = new();
    private readonly Linear? head;

    internal Places(bool withHead = false)
        : base(nameof(Places))
    {
        list = new ModuleList<nn.Module<Tensor, Tensor>>(nn.BatchNorm2d(4), nn.BatchNorm2d(4));
        dict.Add("a", nn.BatchNorm2d(4));
        dict.Add("shared", list[1]);
        if (withHead) head = nn.Linear(4, 2);
        RegisterComponents();
    }

    /// <summary>TorchSharp registers the field behind it.</summary>
    internal nn.Module<Tensor, Tensor> Property { get; } = nn.BatchNorm2d(4);

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = generic.forward(first.forward(Property.forward(field.call(input))));
        foreach (var module in list) x = module.forward(x);
        foreach (var (_, module) in dict) x = module.call(x);
        return (head is null ? x.alias() : head.forward(x.mean([2, 3]))).MoveToOuterDisposeScope();
    }
}

/// <summary>A Sequential of a type of one's own.</summary>
internal sealed class Typed : Sequential<Tensor, Tensor>
{
    internal Typed()
        : base(("norm", nn.BatchNorm2d(4)))
    {
    }

    public override Tensor forward(Tensor input) => ((nn.Module<Tensor, Tensor>)children().Single()).forward(input);

    protected override Sequential<Tensor, Tensor> Slice(int start, int end) => throw new NotSupportedException();
}

/// <summary>A field that holds nothing but a frozen norm.</summary>
internal sealed class Strict : nn.Module<Tensor, Tensor>
{
    private readonly FrozenBatchNorm norm = new(4);

    internal Strict()
        : base(nameof(Strict)) => RegisterComponents();

    public override Tensor forward(Tensor input) => norm.forward(input);
}

/// <summary>Norms in places that hold no other type, or that are out of reach.</summary>
internal sealed class Narrow : nn.Module
{
    private readonly ModuleList<BatchNorm2d> norms = new(nn.BatchNorm2d(4));
    private readonly ModuleDict<BatchNorm2d> byName = new();
    private readonly nn.Module[] plain = [nn.BatchNorm2d(4)];

    internal Narrow()
        : base(nameof(Narrow))
    {
        byName.Add("a", nn.BatchNorm2d(4));
        register_module("hidden", plain[0]);
        register_module("loose", nn.BatchNorm2d(4));
        RegisterComponents();
        _ = norms;
    }
}

/// <summary>A norm with a computation of its own.</summary>
internal sealed class OwnNorm() : BatchNorm(2, 1e-5, 0.1, true, true, null, null, nameof(OwnNorm))
{
    protected override void ValidateInputDimensions(Tensor input)
    {
    }
}

/// <summary>A stage that owns a norm which it reads from a field.</summary>
internal sealed class StagedNorm : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    private readonly Conv2d conv = nn.Conv2d(4, 4, 1);
    private readonly nn.Module<Tensor, Tensor> norm = nn.BatchNorm2d(4);

    internal StagedNorm()
        : base(nameof(StagedNorm))
    {
        RegisterComponents();
        Stages = [new Stage("only", "image", [conv, norm], (operations, x) => operations.ConvolutionNormRelu(conv, norm, x))];
    }

    public IReadOnlyList<Stage> Stages { get; }

    public IReadOnlyList<string> Inputs { get; } = ["image"];

    public IReadOnlyList<string> Outputs { get; } = ["only"];

    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
}
