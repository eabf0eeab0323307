using Frostline.Staging;
using Frostline.Training.Registration;
using Frostline.Training.Tests.Jobs;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Training.Tests.Sweeps;

/// <summary>Options of <see cref="StagedPoints"/>.</summary>
public sealed class StagedPointsOptions
{
    /// <summary>The probability of dropout before the head; default 0, which is a head of one linear layer.</summary>
    public double Dropout { get; set; }

    /// <summary>The width of the body; default 8.</summary>
    public int Width { get; set; } = 8;
}

/// <summary>A network of two stages for points: a body that can be frozen, and a head.</summary>
public sealed class StagedPoints : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    private readonly Linear body, head;
    private readonly Dropout? drop;

    public StagedPoints(StagedPointsOptions options, int classes)
        : base(nameof(StagedPoints))
    {
        body = nn.Linear(Points.Size, options.Width);
        head = nn.Linear(options.Width, classes);
        drop = options.Dropout > 0 ? nn.Dropout(options.Dropout) : null;
        RegisterComponents();
        Stages =
        [
            new Stage("body", "image", [body], (operations, x) => operations.Relu(operations.Linear(body, x))),
            new Stage("head", "body", drop is null ? [head] : [drop, head], (operations, x) => operations.Linear(head, drop is null ? x : operations.Dropout(drop, x)), write: "logits"),
        ];
    }

    public IReadOnlyList<Stage> Stages { get; }

    public IReadOnlyList<string> Inputs { get; } = ["image"];

    public IReadOnlyList<string> Outputs { get; } = ["logits"];

    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
}

/// <summary>Names the network for recipes.</summary>
public sealed class StagedPointsExtension : IFrostlineExtension
{
    public void Register(Registry registry) => registry.Networks.Register<StagedPointsOptions>(
        "staged-points", "two stages", (options, context) => new StagedPoints(options, context.Classes!.Names.Count));
}
