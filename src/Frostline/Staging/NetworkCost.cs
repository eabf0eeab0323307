using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// What a staged network costs for a batch: shapes, multiply-adds, and memory, stage by stage. Nothing is computed but sizes.
/// </summary>
public sealed class NetworkCost
{
    private readonly IReadOnlyList<Stage> _stages;
    private readonly Dictionary<string, (string Stage, long Bytes)> _parameters;

    private NetworkCost(IReadOnlyList<Stage> stages, IReadOnlyList<StageCost> costs, Dictionary<string, (string Stage, long Bytes)> parameters)
    {
        _stages = stages;
        Stages = costs;
        _parameters = parameters;
    }

    /// <summary>The stages that run, in order.</summary>
    public IReadOnlyList<StageCost> Stages { get; }

    /// <summary>Multiply-adds forward, for the whole batch.</summary>
    public long MultiplyAdds => Stages.Sum(stage => stage.MultiplyAdds);

    /// <summary>How many numbers the parameters of the stages that run have.</summary>
    public long Parameters => Stages.Sum(stage => stage.Parameters);

    /// <summary>Bytes of parameters, buffers and tensors at the fullest moment of running without gradients; estimated.</summary>
    public long InferenceBytes => StateBytes + Stages.Max(stage => stage.PeakBytes);

    private long StateBytes => Stages.Sum(stage => stage.ParameterBytes + stage.BufferBytes);

    /// <summary>The cost of a network with one input.</summary>
    /// <param name="network">The network.</param>
    /// <param name="shape">The shape of the batch, for example 32, 3, 224, 224.</param>
    /// <exception cref="FrostlineException">The network has several inputs; or as for the other overload.</exception>
    public static NetworkCost Of(IStagedNetwork network, params IReadOnlyList<long> shape)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (network.Inputs is not [var input])
            throw new FrostlineException($"the network reads {string.Join(", ", network.Inputs)}: give the shape of each");
        return Of(network, new Dictionary<string, IReadOnlyList<long>>(StringComparer.Ordinal) { [input] = shape });
    }

    /// <summary>The cost of a network.</summary>
    /// <param name="network">The network; whether its norms and dropout are in training counts.</param>
    /// <param name="inputs">The shape of the batch, for each input.</param>
    /// <param name="outputs">The names that are put out; default <see cref="IStagedNetwork.Outputs"/>.</param>
    /// <exception cref="FrostlineException">
    /// A shape is missing or does not fit, the stages do not fit together, or a stage calls something opaque without a shape
    /// function: then the cost is unknown, and the message names it.
    /// </exception>
    public static NetworkCost Of(
        IStagedNetwork network, IReadOnlyDictionary<string, IReadOnlyList<long>> inputs, IReadOnlyList<string>? outputs = null)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var map = StageMap.Of(network);
        var schedule = StageSchedule.Whole(network, outputs);
        var state = NetworkState.Of((nn.Module)network).ToLookup(entry => map.StageOf(entry.Name) ?? "");
        var elementSize = state.SelectMany(stage => stage)
            .Where(entry => entry.IsParameter).Select(entry => (int)entry.Tensor.ElementSize).FirstOrDefault(sizeof(float));
        var live = new Dictionary<string, Value>(StringComparer.Ordinal);
        foreach (var name in schedule.Inputs)
            live[name] = CostOperations.Of(inputs.TryGetValue(name, out var shape)
                ? shape
                : throw new FrostlineException($"the shape of the input \"{name}\" is missing"));

        var costs = new List<StageCost>();
        var bytes = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var i = 0; i < schedule.Stages.Count; i++)
        {
            var stage = schedule.Stages[i];
            costs.Add(CostOf(stage, live, bytes, [.. state[stage.Name]], elementSize));
            foreach (var name in schedule.Released[i])
            {
                live.Remove(name);
                bytes.Remove(name);
            }
        }

        var parameters = state
            .SelectMany(stage => stage.Where(entry => entry.IsParameter).Select(entry => (entry.Name, stage.Key, entry.Bytes)))
            .ToDictionary(p => p.Name, p => (p.Key, p.Bytes), StringComparer.Ordinal);
        return new NetworkCost(schedule.Stages, costs, parameters);
    }

    /// <summary>What a training step needs.</summary>
    /// <param name="trained">The dotted names of the parameters that are trained.</param>
    /// <param name="optimizerStates">
    /// Tensors that the optimizer keeps for each parameter: 0 for plain SGD, 1 with momentum, 2 for Adam and AdamW; default 1.
    /// </param>
    /// <exception cref="FrostlineException">There is no parameter of that name.</exception>
    public StepCost TrainingStep(IEnumerable<string> trained, int optimizerStates = 1)
    {
        ArgumentNullException.ThrowIfNull(trained);
        ArgumentOutOfRangeException.ThrowIfNegative(optimizerStates);
        var gradients = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var name in trained.Distinct(StringComparer.Ordinal))
        {
            if (!_parameters.TryGetValue(name, out var parameter))
                throw new FrostlineException(
                    $"the network has no parameter \"{name}\"{NearestNames.Hint(name, _parameters.Keys)}");
            gradients[parameter.Stage] = gradients.GetValueOrDefault(parameter.Stage) + parameter.Bytes;
        }

        // A tensor carries a gradient when a trained parameter has had a part in it.
        var carrying = new HashSet<string>(StringComparer.Ordinal);
        long work = MultiplyAdds, saved = 0, transient = 0;
        for (var i = 0; i < Stages.Count; i++)
        {
            var (stage, cost) = (_stages[i], Stages[i]);
            var trains = gradients.ContainsKey(stage.Name);
            if (!trains && !stage.Reads.Any(carrying.Contains))
            {
                transient = Math.Max(transient, cost.PeakBytes);
                continue;
            }

            carrying.UnionWith(stage.Writes);
            work += trains ? 2 * cost.MultiplyAdds : cost.MultiplyAdds;
            saved += cost.SavedBytes;

            // Backward, the gradients of an operation's output and input live side by side.
            transient = Math.Max(transient, 2 * cost.LargestBytes);
        }

        var gradientBytes = gradients.Values.Sum();
        return new StepCost
        {
            MultiplyAdds = work,
            StateBytes = StateBytes,
            GradientBytes = gradientBytes,
            OptimizerBytes = optimizerStates * gradientBytes,
            ActivationBytes = saved,
            TransientBytes = transient,
        };
    }

    private static StageCost CostOf(
        Stage stage, Dictionary<string, Value> live, Dictionary<string, long> bytes, List<StateEntry> state, int elementSize)
    {
        var operations = new CostOperations(elementSize);
        var outputs = stage.Apply(operations, new Bundle(stage.Reads.Select(name => (name, live[name]))));
        var waiting = bytes.Values.Sum();
        var written = 0L;
        foreach (var name in outputs.Names)
        {
            live[name] = outputs[name];
            written += bytes[name] = outputs[name].Shape.Aggregate((long)elementSize, (product, size) => product * size);
        }

        return new StageCost
        {
            Name = stage.Name,
            Outputs = [.. outputs.Names.Select(name => new NamedShape(name, outputs[name].Shape))],
            MultiplyAdds = operations.MultiplyAdds,
            Parameters = state.Where(entry => entry.IsParameter).Sum(entry => entry.Tensor.numel()),
            ParameterBytes = state.Where(entry => entry.IsParameter).Sum(entry => entry.Bytes),
            BufferBytes = state.Where(entry => !entry.IsParameter).Sum(entry => entry.Bytes),
            OutputBytes = written,
            SavedBytes = operations.SavedBytes,
            PeakBytes = waiting + operations.PeakBytes,
            LargestBytes = operations.LargestBytes,
        };
    }
}
