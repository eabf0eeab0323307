namespace Frostline.Checkpoints;

/// <summary>How two tensors of one name differ, or which checkpoint lacks it.</summary>
/// <param name="Name">The name.</param>
/// <param name="First">The tensor in the first checkpoint; null where it lacks it.</param>
/// <param name="Second">The tensor in the second checkpoint; null where it lacks it.</param>
/// <param name="MaximumDifference">
/// The greatest absolute difference of two values at one place, computed in float64: NaN where exactly one of two is no number,
/// infinite where infinities meet finite values. Null where one tensor is missing or the shapes differ. It may be 0 for
/// tensors that are not the same bit for bit: other types, zeros of other signs, integers beyond 2^53.
/// </param>
/// <param name="IsEqual">Whether types, shapes and bytes are equal.</param>
public sealed record TensorDifference(string Name, TensorInfo? First, TensorInfo? Second, double? MaximumDifference, bool IsEqual);

/// <summary>The comparison of two checkpoints' tensors, whatever their containers and orders; other content is not compared.</summary>
/// <param name="Tensors">Every name of either: those of the first in its order, then those that only the second has.</param>
public sealed record CheckpointDifference(IReadOnlyList<TensorDifference> Tensors)
{
    /// <summary>Whether both have the same names, types, shapes and bytes.</summary>
    public bool IsEqual => Tensors.All(tensor => tensor.IsEqual);

    /// <summary>Compares two checkpoints, part by part, in bounded memory.</summary>
    /// <param name="first">The first.</param>
    /// <param name="second">The second.</param>
    /// <exception cref="CheckpointException">The bytes of a tensor are damaged.</exception>
    public static CheckpointDifference Of(Checkpoint first, Checkpoint second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var tensors = first.Tensors.Select(a => second.TryFind(a.Name, out var b)
            ? Compare(first, a, second, b)
            : new TensorDifference(a.Name, a, null, null, IsEqual: false));
        var rest = second.Tensors.Where(b => !first.TryFind(b.Name, out _));
        return new([.. tensors, .. rest.Select(b => new TensorDifference(b.Name, null, b, null, IsEqual: false))]);
    }

    private static TensorDifference Compare(Checkpoint first, TensorInfo a, Checkpoint second, TensorInfo b)
    {
        if (!a.Shape.SequenceEqual(b.Shape)) return new(a.Name, a, b, null, IsEqual: false);
        var (x, y) = (new ElementReader(first, a), new ElementReader(second, b));
        var (equal, most) = (a.Type == b.Type, 0.0);
        while (x.Next() && y.Next())
        {
            if (a.Type == b.Type && x.Bytes.SequenceEqual(y.Bytes)) continue;
            equal = false;
            // Max keeps what is no number.
            for (var i = 0; i < x.Values.Length; i++) most = Math.Max(most, Distance(x.Values[i], y.Values[i]));
        }

        return new(a.Name, a, b, most, equal);
    }

    // Equals, because the difference of equal infinities is no number, and what is no number equals itself here.
    private static double Distance(double a, double b) => a.Equals(b) ? 0 : Math.Abs(a - b);
}
