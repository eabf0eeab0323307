using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>Runs the stages as the network itself does, without gradients: what every other engine is compared with.</summary>
internal sealed class PlainEngine(StageSchedule schedule) : IPrefixEngine
{
    public string Name => "plain";

    public string Precision => "float32";

    public IReadOnlyDictionary<string, Tensor> Run(IReadOnlyDictionary<string, Tensor> inputs)
    {
        using var noGrad = no_grad();
        return StagedForward.Run(schedule, inputs);
    }

    public void Dispose()
    {
    }
}

/// <summary>Compiled for libtorch: norms folded into convolutions, no gradients, activations in place.</summary>
internal sealed class LibtorchEngine(FrozenPrefix prefix) : ShapedEngine<GraphProgram>(prefix)
{
    public override string Name => "libtorch";

    protected override GraphProgram Compile(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes) => new(RecordedGraph.Of(Prefix.Schedule, shapes));

    protected override IReadOnlyDictionary<string, Tensor> Run(GraphProgram program, IReadOnlyDictionary<string, Tensor> inputs) => program.Run(inputs);
}
