using System.Text.Json.Serialization;
using Frostline.Checkpoints;
using Frostline.Selection;

namespace Frostline.Initialization;

/// <summary>Where one parameter or buffer of a network got its first value.</summary>
/// <param name="Name">The dotted name in the network.</param>
/// <param name="Kind">A parameter or a buffer.</param>
/// <param name="Type">The type of its elements.</param>
/// <param name="Shape">Its sizes, outermost first; empty for a scalar.</param>
/// <param name="Rule">The rule that decided, as it reads in the plan, for example <c>load "resnet18.pth" into "**"</c>.</param>
/// <param name="Origin">Where the value came from.</param>
/// <param name="Trained">Whether the value has been trained since; false right after initialisation.</param>
/// <param name="Persistent">
/// Whether it belongs into files; false only for buffers that the network computes when it is constructed.
/// </param>
public sealed record TensorProvenance(
    string Name,
    NodeKind Kind,
    TensorType Type,
    IReadOnlyList<long> Shape,
    string Rule,
    Origin Origin,
    bool Trained = false,
    bool Persistent = true)
{
    /// <summary>The rule's text where no rule of the plan matched.</summary>
    public const string NoRule = "no rule";

    /// <summary>
    /// Why it would be doubtful to freeze this tensor, in a few words; null where nothing speaks against it. Drawn values, and
    /// kept ones that are persistent, are doubtful as long as they have not been trained; loaded, explicitly set and calibrated
    /// ones are not. A copied tensor is judged by <see cref="InitializationReport.DoubtOf"/>, which also follows a loaded tensor
    /// into the file that it came from.
    /// </summary>
    [JsonIgnore]
    public string? Doubt => Trained
        ? null
        : Origin.BeforeScaling(Origin) switch
        {
            Origin.Drawn drawn => $"drawn by {drawn.Initializer}",
            Origin.Kept kept when Persistent => kept.Describe(),
            _ => null,
        };
}
