namespace Frostline.Staging;

/// <summary>
/// A network that is an ordered list of stages; implemented by the module itself. Its forward is their composition
/// (<see cref="StagedForward"/>), so there is one definition of what it computes. Staging changes no parameter's name.
/// </summary>
public interface IStagedNetwork
{
    /// <summary>The stages, in the order in which they run.</summary>
    IReadOnlyList<Stage> Stages { get; }

    /// <summary>The names of the tensors that the network is given; a classifier has <c>image</c>.</summary>
    IReadOnlyList<string> Inputs { get; }

    /// <summary>The names of the tensors that the network puts out by default; a classifier has <c>logits</c>.</summary>
    IReadOnlyList<string> Outputs { get; }
}
