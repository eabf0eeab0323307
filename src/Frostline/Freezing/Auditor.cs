using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;

namespace Frostline.Freezing;

/// <summary>Compares fingerprints under a plan, and measures by how much something moved where the values before are at hand.</summary>
/// <param name="tensors">What the plan makes of each tensor.</param>
/// <param name="ledger">What the tensors were, and what was found before.</param>
/// <param name="readBefore">The bytes that a tensor of a fingerprint had, and their type; null where they are not at hand.</param>
internal sealed class Auditor(
    IReadOnlyList<TensorStatus> tensors, AuditLedger ledger, Func<string, Fingerprint, (TensorType Type, byte[] Bytes)?> readBefore)
{
    private readonly Fingerprints _before = ledger.Fingerprints;

    /// <summary>An auditor that looks for the values before in files.</summary>
    internal Auditor(PlanStatus plan, AuditLedger ledger, IReadOnlyList<Checkpoint> references, InitializationReport? initialized)
        : this(plan.Tensors, ledger, (name, print) => ReadBefore(name, print, references, initialized))
    {
    }

    /// <summary>Compares.</summary>
    /// <param name="after">What the tensors are.</param>
    /// <param name="bytes">The bytes of a tensor as it is, or null where there is none.</param>
    /// <param name="causeOf">Why a trained parameter has most likely not moved.</param>
    /// <returns>The findings, together with those of earlier phases.</returns>
    internal FreezeAudit Compare(Fingerprints after, Func<string, byte[]?> bytes, Func<string, string> causeOf) =>
        Compare(after, bytes, within: null, causeOf);

    /// <summary>Compares what lies in a file, without earlier phases.</summary>
    /// <param name="after">What the tensors are.</param>
    /// <param name="bytes">The bytes of a tensor as it is, or null where there is none.</param>
    /// <param name="within">The only names to look at.</param>
    /// <param name="causeOf">Why a trained parameter has most likely not moved; null where that is not asked.</param>
    internal FreezeAudit CompareFile(
        Fingerprints after, Func<string, byte[]?> bytes, IReadOnlySet<string> within, Func<string, string>? causeOf = null) =>
        Compare(after, bytes, within, causeOf);

    private FreezeAudit Compare(Fingerprints after, Func<string, byte[]?> bytes, IReadOnlySet<string>? within, Func<string, string>? causeOf)
    {
        var frozen = 0;
        var moved = new List<MovedTensor>(within is null ? ledger.Moved : []);
        var stated = new List<MovedTensor>(within is null ? ledger.StatedDrift : []);
        var untouched = new List<UnmovedTensor>(within is null ? ledger.Unmoved : []);
        var trainedOwners = tensors.Where(tensor => tensor.State == TensorState.Trained).Select(tensor => tensor.Owner).ToHashSet(StringComparer.Ordinal);
        var owners = tensors.Where(tensor => tensor.Kind == NodeKind.Parameter).Select(tensor => tensor.Owner).ToHashSet(StringComparer.Ordinal);
        foreach (var tensor in tensors)
        {
            if (within is not null && !within.Contains(tensor.Name)) continue;
            var change = ChangeOf(_before.Find(tensor.Name), after.Find(tensor.Name));
            switch (tensor.State)
            {
                case TensorState.Frozen or TensorState.Drifting:
                    frozen++;
                    if (change is { } found) moved.Add(Measure(tensor, found, bytes));
                    break;
                case TensorState.Moving when change is { } drift && owners.Contains(tensor.Owner) && !trainedOwners.Contains(tensor.Owner):
                    stated.Add(Measure(tensor, drift, bytes));
                    break;
                case TensorState.Trained when change is null && causeOf is not null && tensor.Elements > 0:
                    untouched.Add(new UnmovedTensor(tensor.Name, causeOf(tensor.Name)));
                    break;
            }
        }

        return new FreezeAudit(
            frozen, Distinct(moved, tensor => tensor.Name), Distinct(stated, tensor => tensor.Name), Distinct(untouched, tensor => tensor.Name));

        // What an earlier phase found, and this one finds again, is one finding.
        static List<T> Distinct<T>(List<T> found, Func<T, string> nameOf) => [.. found.DistinctBy(nameOf, StringComparer.Ordinal)];
    }

    private static TensorChange? ChangeOf(Fingerprint? before, Fingerprint? after)
    {
        if (before == after) return null;
        if (before is null || after is null) return TensorChange.Missing;
        if (before.Shape != after.Shape) return TensorChange.Shape;
        return before.Type != after.Type ? TensorChange.Type : TensorChange.Values;
    }

    private MovedTensor Measure(TensorStatus tensor, TensorChange change, Func<string, byte[]?> bytes)
    {
        var result = new MovedTensor(tensor.Name, tensor.Kind, change);
        if (change != TensorChange.Values || readBefore(tensor.Name, _before.Find(tensor.Name)!) is not var (type, then) || bytes(tensor.Name) is not { } now) return result;
        var size = type.Size();
        var changed = 0L;
        for (var i = 0; i < now.Length; i += size)
            if (!now.AsSpan(i, size).SequenceEqual(then.AsSpan(i, size))) changed++;
        return result with { ChangedElements = changed, LargestChange = LargestChange(type, then, now) };
    }

    /// <summary>
    /// The bytes that a tensor had: from the first reference that has them, by the network's name or the one under which it was loaded. What
    /// is not bit for bit what it was (cast, adapted, trained since) says nothing about the change.
    /// </summary>
    private static (TensorType Type, byte[] Bytes)? ReadBefore(
        string name, Fingerprint print, IReadOnlyList<Checkpoint> references, InitializationReport? initialized)
    {
        string[] names = initialized?.Find(name)?.Origin is Origin.Loaded loaded ? [name, loaded.Key] : [name];
        foreach (var reference in references)
        {
            foreach (var candidate in names)
            {
                if (!reference.TryFind(candidate, out var info) || TensorBytes.ToScalarType(info.Type).ToString() != print.Type) continue;
                var bytes = reference.Read(candidate);
                if (Fingerprints.HashOf(bytes) == print.Hash) return (info.Type, bytes);
            }
        }

        return null;
    }

    private static double LargestChange(TensorType elements, byte[] then, byte[] now)
    {
        using var scope = torch.NewDisposeScope();
        using var grad = torch.no_grad();
        var type = TensorBytes.ToScalarType(elements);
        var count = now.Length / elements.Size();
        var (a, b) = (torch.empty([count], type), torch.empty([count], type));
        TensorBytes.Write(a, then);
        TensorBytes.Write(b, now);
        return (a.to(torch.ScalarType.Float64) - b.to(torch.ScalarType.Float64)).abs().max().item<double>();
    }
}
