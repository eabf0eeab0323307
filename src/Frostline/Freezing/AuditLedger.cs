using System.Text.Json;
using System.Text.Json.Serialization;

namespace Frostline.Freezing;

/// <summary>
/// What an audit compares with, and what it found in phases that are over. As text it goes with a training that is interrupted, so that
/// the audit at the end covers all of it: <see cref="FrozenModel.Ledger"/>, <see cref="FrozenModel.Continue"/>.
/// </summary>
/// <param name="Fingerprints">
/// What every tensor was: a frozen one when it was frozen last, any other when the first plan was applied.
/// </param>
/// <param name="Moved">What had to stay in an earlier phase and did not.</param>
/// <param name="StatedDrift">Statistics that moved in an earlier phase because a rule said so.</param>
/// <param name="Unmoved">What was trained in an earlier phase and did not move.</param>
public sealed record AuditLedger(
    Fingerprints Fingerprints, IReadOnlyList<MovedTensor> Moved, IReadOnlyList<MovedTensor> StatedDrift, IReadOnlyList<UnmovedTensor> Unmoved)
{
    private static readonly JsonSerializerOptions s_json = new() { Converters = { new JsonStringEnumConverter() } };

    /// <summary>A ledger without earlier phases.</summary>
    /// <param name="fingerprints">What every tensor is.</param>
    public static AuditLedger Of(Fingerprints fingerprints) => new(fingerprints, [], [], []);

    /// <summary>The ledger as JSON on one line.</summary>
    public string ToJson() => JsonSerializer.Serialize(new Stored(Fingerprints.ToJson(), Moved, StatedDrift, Unmoved), s_json);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="FreezeException">The text is something else.</exception>
    public static AuditLedger FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            if (JsonSerializer.Deserialize<Stored>(json, s_json) is { Fingerprints: not null, Moved: not null, StatedDrift: not null, Unmoved: not null } stored)
                return new AuditLedger(Fingerprints.FromJson(stored.Fingerprints), stored.Moved, stored.StatedDrift, stored.Unmoved);
        }
        catch (JsonException exception)
        {
            throw new FreezeException("the ledger of the audit cannot be read: no JSON of Frostline's; start the run anew", exception);
        }

        throw new FreezeException("the ledger of the audit cannot be read: a part is missing; start the run anew");
    }

    private sealed record Stored(
        string Fingerprints, IReadOnlyList<MovedTensor> Moved, IReadOnlyList<MovedTensor> StatedDrift, IReadOnlyList<UnmovedTensor> Unmoved);
}
