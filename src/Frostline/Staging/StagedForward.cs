using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>
/// Runs a staged network. Each stage runs in a dispose scope of its own, and what no later stage reads is disposed when the
/// stage that reads it last has run; with gradients, libtorch keeps what the backward pass needs. Whether gradients are
/// recorded, and whether norms and dropout are in training, is the caller's and the modules' affair.
/// </summary>
public static class StagedForward
{
    /// <summary>Runs the whole network.</summary>
    /// <param name="network">The network.</param>
    /// <param name="inputs">The tensors by name; borrowed. More than the network reads may be given.</param>
    /// <param name="outputs">The names to put out, taps included; default <see cref="IStagedNetwork.Outputs"/>.</param>
    /// <returns>New tensors by name, owned by the caller's dispose scope. Stages that they do not need have not run.</returns>
    /// <exception cref="FrostlineException">An input is missing, a name is unknown, or a stage refuses its input.</exception>
    public static IReadOnlyDictionary<string, Tensor> Run(
        IStagedNetwork network, IReadOnlyDictionary<string, Tensor> inputs, IReadOnlyList<string>? outputs = null) =>
        Run(StageSchedule.Whole(network, outputs), inputs);

    /// <summary>Runs a network from one tensor to one tensor, as a classifier's <c>forward</c> does.</summary>
    /// <param name="network">A network with one input and one output.</param>
    /// <param name="input">The input; borrowed.</param>
    /// <returns>A new tensor, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">The network has more inputs or outputs, or a stage refuses its input.</exception>
    public static Tensor Run(IStagedNetwork network, Tensor input)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (network is not { Inputs: [var read], Outputs: [var written] })
            throw new FrostlineException(
                $"the network reads {string.Join(", ", network.Inputs)} and puts out {string.Join(", ", network.Outputs)}: " +
                "run it with named tensors");
        return Run(network, new Dictionary<string, Tensor>(StringComparer.Ordinal) { [read] = input })[written];
    }

    /// <summary>Runs the stages of a schedule: all of a network, or what lies before or behind a cut.</summary>
    /// <param name="schedule">Which stages, and what they read and put out.</param>
    /// <param name="inputs">The tensors by name; borrowed. More than the stages read may be given.</param>
    /// <returns>New tensors by name, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">An input is missing, or a stage refuses its input.</exception>
    public static IReadOnlyDictionary<string, Tensor> Run(StageSchedule schedule, IReadOnlyDictionary<string, Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(inputs);
        var live = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var name in schedule.Inputs)
            live[name] = inputs.TryGetValue(name, out var tensor)
                ? tensor
                : throw new FrostlineException(
                    $"the network needs the tensor \"{name}\" but was given " +
                    $"{(inputs.Count == 0 ? "none" : string.Join(", ", inputs.Keys))}");

        var owned = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            for (var i = 0; i < schedule.Stages.Count; i++)
            {
                RunStage(schedule.Stages[i], live, owned);
                foreach (var name in schedule.Released[i])
                {
                    live.Remove(name);
                    if (owned.Remove(name, out var dead)) dead.Dispose();
                }
            }

            var results = new Dictionary<string, Tensor>(StringComparer.Ordinal);
            foreach (var name in schedule.Outputs) results[name] = owned.Remove(name, out var own) ? own : live[name].alias();
            return results;
        }
        catch
        {
            foreach (var tensor in owned.Values) tensor.Dispose();
            throw;
        }
    }

    private static void RunStage(Stage stage, Dictionary<string, Tensor> live, Dictionary<string, Tensor> owned)
    {
        using var scope = NewDisposeScope();
        var outputs = stage.Apply(EagerOperations.Instance, new Bundle(stage.Reads.Select(name => (name, EagerOperations.Wrap(live[name])))));

        // What is handed through, written under two names or held elsewhere becomes a tensor of its own: each has one owner.
        foreach (var name in outputs.Names)
        {
            var tensor = EagerOperations.Unwrap(outputs[name]);
            if (!scope.Contains(tensor)) tensor = tensor.alias();
            live[name] = owned[name] = scope.MoveToOuter(tensor);
        }
    }
}
