using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Training.Features;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// Runs a network on named tensors: a staged network by its own inputs and outputs, any other <c>Module&lt;Tensor, Tensor&gt;</c>
/// from the field <c>image</c> to the output <c>logits</c>.
/// </summary>
public sealed class NetworkRunner
{
    private static readonly IReadOnlyList<string> s_plainInputs = ["image"];
    private static readonly IReadOnlyList<string> s_plainOutputs = ["logits"];

    private readonly Func<IReadOnlyDictionary<string, torch.Tensor>, IReadOnlyDictionary<string, torch.Tensor>> _run;
    private (StageSchedule Suffix, IPrefixEngine Engine)? _prefix;

    /// <summary>Prepares to run a network.</summary>
    /// <param name="network">The network; it stays the caller's.</param>
    /// <param name="outputs">The names of what it puts out, of a staged network any tensors of its stages; null for its own outputs.</param>
    /// <exception cref="FrostlineException">
    /// The network is neither staged nor a module from a tensor to a tensor, or has no output of such a name.
    /// </exception>
    public NetworkRunner(torch.nn.Module network, IReadOnlyList<string>? outputs = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        Network = network;
        if (network is IStagedNetwork staged)
        {
            (Inputs, Outputs) = (staged.Inputs, outputs ?? staged.Outputs);
            var schedule = StageSchedule.Whole(staged, outputs);
            _run = fields => StagedForward.Run(schedule, fields);
        }
        else if (network is torch.nn.Module<torch.Tensor, torch.Tensor> plain)
        {
            if (outputs is not null && !outputs.SequenceEqual(s_plainOutputs, StringComparer.Ordinal))
                throw new FrostlineException($"{network.GetType().Name} shows no stages: it puts out \"{s_plainOutputs[0]}\" alone, not {string.Join(", ", outputs)}");
            (Inputs, Outputs) = (s_plainInputs, s_plainOutputs);
            _run = fields => new Dictionary<string, torch.Tensor>(StringComparer.Ordinal)
            {
                // As an operation: a list of layers then runs with the care that some layers need.
                ["logits"] = EagerOperations.Run(fields["image"], (operations, image) => operations.Call(plain, image)),
            };
        }
        else
        {
            throw new FrostlineException(
                $"{network.GetType().Name} is neither an IStagedNetwork nor a Module<Tensor, Tensor>; implement one of them");
        }
    }

    /// <summary>The network.</summary>
    public torch.nn.Module Network { get; }

    /// <summary>The names of the fields that it reads.</summary>
    public IReadOnlyList<string> Inputs { get; }

    /// <summary>The names of what it puts out.</summary>
    public IReadOnlyList<string> Outputs { get; }

    /// <summary>
    /// How the network is run several times for a batch, where no features are at hand; null to run it once, which is the default.
    /// </summary>
    public ITestTimeAugmentation? TestTime { get; init; }

    /// <summary>On how many rows the engine of the frozen prefix was run so far.</summary>
    public long PrefixRows { get; private set; }

    /// <summary>How many rows of features came from a store so far.</summary>
    public long StoredRows { get; private set; }

    /// <summary>Runs the network.</summary>
    /// <param name="fields">The batch's fields; more than the network reads may be given.</param>
    /// <returns>The outputs by name, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">A field that the network reads is absent.</exception>
    public IReadOnlyDictionary<string, torch.Tensor> Run(IReadOnlyDictionary<string, torch.Tensor> fields) => Run(fields, Features(fields));

    /// <summary>Runs the network on a batch whose features are at hand.</summary>
    /// <param name="fields">The batch's fields; more than the network reads may be given.</param>
    /// <param name="features">What the frozen prefix puts out, see <see cref="Features(HostBatch, IReadOnlyDictionary{string, torch.Tensor})"/>; null to run all stages.</param>
    /// <returns>The outputs by name, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">A field that the network reads is absent.</exception>
    public IReadOnlyDictionary<string, torch.Tensor> Run(
        IReadOnlyDictionary<string, torch.Tensor> fields, IReadOnlyDictionary<string, torch.Tensor>? features)
    {
        ArgumentNullException.ThrowIfNull(fields);
        if (features is null || _prefix is not { Suffix: { } suffix })
        {
            Require(fields);
            return features is null && TestTime is { } augmentation ? augmentation.Run(_run, Inputs, fields) : _run(fields);
        }

        // What the stages above read of the network's own inputs comes with them.
        var given = new Dictionary<string, torch.Tensor>(fields, StringComparer.Ordinal);
        foreach (var (name, tensor) in features) given[name] = tensor;
        return StagedForward.Run(suffix, given);
    }

    /// <summary>What the frozen prefix puts out for a batch: taken from the store as far as the loader found it there, computed otherwise.</summary>
    /// <param name="batch">The batch, not yet disposed.</param>
    /// <param name="fields">Its fields as tensors.</param>
    /// <returns>The features by name, owned by the caller's dispose scope; null where no prefix is in use.</returns>
    /// <exception cref="FrostlineException">A field that the prefix reads is absent, or the features have other shapes than those stored.</exception>
    public IReadOnlyDictionary<string, torch.Tensor>? Features(HostBatch batch, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(fields);
        if (batch.Features is not { } stored || _prefix is not var (_, engine)) return Features(fields);
        var (features, computed) = FeatureCompletion.Complete(stored, engine);
        PrefixRows += computed;
        StoredRows += stored.Keys.Length - computed;
        return features;
    }

    /// <summary>
    /// Has an engine compute the stages below the frost line from now on; those above run as ever, with gradients. Forward hooks on the network
    /// itself do not fire then.
    /// </summary>
    /// <param name="prefix">The prefix; null for the whole network as it is.</param>
    /// <param name="engine">Its engine, which stays the caller's; null likewise.</param>
    public void UsePrefix(FrozenPrefix? prefix, IPrefixEngine? engine) =>
        _prefix = prefix?.Suffix is { } suffix && engine is not null ? (suffix, engine) : null;

    private IReadOnlyDictionary<string, torch.Tensor>? Features(IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        if (_prefix is not var (_, engine)) return null;
        Require(fields);
        var features = engine.Run(fields);
        PrefixRows += features.Values.First().shape[0];
        return features;
    }

    private void Require(IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        foreach (var name in Inputs)
        {
            if (!fields.ContainsKey(name))
                throw new FrostlineException($"the network reads \"{name}\", and the data has "
                    + $"{string.Join(", ", fields.Keys)}{NearestNames.Hint(name, fields.Keys)}");
        }
    }
}
