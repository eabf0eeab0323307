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

/// <summary>
/// Compiled for libtorch in brain floating point. It runs on batches of one size only, the last one filled up with zeros, so that what a probe
/// has found to work is what runs.
/// </summary>
/// <param name="prefix">What it computes.</param>
/// <param name="batch">How many rows it takes at a time.</param>
internal sealed class Bfloat16Engine(FrozenPrefix prefix, int batch) : ShapedEngine<GraphProgram>(prefix)
{
    public override string Name => "libtorch";

    public override string Precision => "bfloat16";

    protected override GraphProgram Compile(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes) =>
        new(RecordedGraph.Of(Prefix.Schedule, shapes), bfloat16);

    protected override IReadOnlyDictionary<string, Tensor> Run(GraphProgram program, IReadOnlyDictionary<string, Tensor> inputs)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var names = Prefix.Schedule.Inputs;
        var rows = inputs[names[0]].shape[0];
        var parts = new List<IReadOnlyDictionary<string, Tensor>>();
        for (long start = 0; start < rows; start += batch)
        {
            var count = Math.Min(batch, rows - start);
            parts.Add(program.Run(names.ToDictionary(name => name, name => Filled(inputs[name].narrow(0, start, count)), StringComparer.Ordinal)));
        }

        return parts[0].Keys.ToDictionary(
            name => name,
            name => scope.MoveToOuter(cat([.. parts.Select(part => part[name])], 0).narrow(0, 0, rows).to(float32).contiguous()),
            StringComparer.Ordinal);
    }

    private Tensor Filled(Tensor rows)
    {
        var narrow = rows.to(bfloat16);
        var lack = batch - rows.shape[0];
        return lack == 0 ? narrow : cat([narrow, zeros([lack, .. rows.shape.Skip(1)], bfloat16)], 0);
    }
}

/// <summary>Compiled for libtorch: norms folded into convolutions, no gradients, activations in place.</summary>
internal sealed class LibtorchEngine(FrozenPrefix prefix) : ShapedEngine<GraphProgram>(prefix)
{
    public override string Name => "libtorch";

    protected override GraphProgram Compile(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes) => new(RecordedGraph.Of(Prefix.Schedule, shapes));

    protected override IReadOnlyDictionary<string, Tensor> Run(GraphProgram program, IReadOnlyDictionary<string, Tensor> inputs) => program.Run(inputs);
}
