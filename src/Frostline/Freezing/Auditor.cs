using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;

namespace Frostline.Freezing;

/// <summary>Compares fingerprints under a plan, and measures by how much something moved where the values before are at hand.</summary>
internal sealed class Auditor(PlanStatus plan, Fingerprints before, Checkpoint? reference, InitializationReport? initialized)
{
    /// <summary>Compares.</summary>
    /// <param name="after">What the tensors are.</param>
    /// <param name="bytes">The bytes of a tensor as it is, or null where there is none.</param>
    /// <param name="within">The only names to look at; null for all, and then trained parameters are looked at too.</param>
    internal FreezeAudit Compare(Fingerprints after, Func<string, byte[]?> bytes, IReadOnlySet<string>? within = null)
    {
        var frozen = 0;
        var moved = new List<MovedTensor>();
        var stated = new List<MovedTensor>();
        var untouched = new List<string>();
        var trainedOwners = plan.Tensors.Where(tensor => tensor.State == TensorState.Trained).Select(tensor => tensor.Owner).ToHashSet(StringComparer.Ordinal);
        var owners = plan.Tensors.Where(tensor => tensor.Kind == NodeKind.Parameter).Select(tensor => tensor.Owner).ToHashSet(StringComparer.Ordinal);
        foreach (var tensor in plan.Tensors)
        {
            if (within is not null && !within.Contains(tensor.Name)) continue;
            var change = ChangeOf(before.Find(tensor.Name), after.Find(tensor.Name));
            switch (tensor.State)
            {
                case TensorState.Frozen or TensorState.Drifting:
                    frozen++;
                    if (change is { } found) moved.Add(Measure(tensor, found, bytes));
                    break;
                case TensorState.Moving when change is { } drift && owners.Contains(tensor.Owner) && !trainedOwners.Contains(tensor.Owner):
                    stated.Add(Measure(tensor, drift, bytes));
                    break;
                case TensorState.Trained when change is null && within is null && tensor.Elements > 0:
                    untouched.Add(tensor.Name);
                    break;
            }
        }

        return new FreezeAudit(frozen, moved, stated, untouched);
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
        if (change != TensorChange.Values || reference is null || FindBefore(tensor.Name) is not { } info || bytes(tensor.Name) is not { } now) return result;
        var type = before.Find(tensor.Name)!.Type;
        if (TensorBytes.ToScalarType(info.Type).ToString() != type || info.ByteCount != now.Length) return result;

        var then = reference.Read(info.Name);
        var size = info.Type.Size();
        var changed = 0L;
        for (var i = 0; i < now.Length; i += size)
            if (!now.AsSpan(i, size).SequenceEqual(then.AsSpan(i, size))) changed++;
        return result with { ChangedElements = changed, LargestChange = LargestChange(info, then, now) };
    }

    /// <summary>The tensor in the reference: by the network's name, or by the one under which it was loaded.</summary>
    private TensorInfo? FindBefore(string name)
    {
        if (reference!.TryFind(name, out var tensor)) return tensor;
        return initialized?.Find(name)?.Origin is Origin.Loaded loaded && reference.TryFind(loaded.Key, out tensor) ? tensor : null;
    }

    private static double LargestChange(TensorInfo info, byte[] then, byte[] now)
    {
        using var scope = torch.NewDisposeScope();
        using var grad = torch.no_grad();
        var type = TensorBytes.ToScalarType(info.Type);
        var (a, b) = (torch.empty([info.ElementCount], type), torch.empty([info.ElementCount], type));
        TensorBytes.Write(a, then);
        TensorBytes.Write(b, now);
        return (a.to(torch.ScalarType.Float64) - b.to(torch.ScalarType.Float64)).abs().max().item<double>();
    }
}
