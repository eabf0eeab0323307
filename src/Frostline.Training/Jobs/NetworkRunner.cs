using Frostline.Staging;
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

    /// <summary>Prepares to run a network.</summary>
    /// <param name="network">The network; it stays the caller's.</param>
    /// <exception cref="FrostlineException">The network is neither staged nor a module from a tensor to a tensor.</exception>
    public NetworkRunner(torch.nn.Module network)
    {
        ArgumentNullException.ThrowIfNull(network);
        Network = network;
        if (network is IStagedNetwork staged)
        {
            (Inputs, Outputs) = (staged.Inputs, staged.Outputs);
            var schedule = StageSchedule.Whole(staged, null);
            _run = fields => StagedForward.Run(schedule, fields);
        }
        else if (network is torch.nn.Module<torch.Tensor, torch.Tensor> plain)
        {
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

    /// <summary>Runs the network.</summary>
    /// <param name="fields">The batch's fields; more than the network reads may be given.</param>
    /// <returns>The outputs by name, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">A field that the network reads is absent.</exception>
    public IReadOnlyDictionary<string, torch.Tensor> Run(IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        foreach (var name in Inputs)
        {
            if (!fields.ContainsKey(name))
                throw new FrostlineException($"the network reads \"{name}\", and the data has "
                    + $"{string.Join(", ", fields.Keys)}{NearestNames.Hint(name, fields.Keys)}");
        }

        return _run(fields);
    }
}
