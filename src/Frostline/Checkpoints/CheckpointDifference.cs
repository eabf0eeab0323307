namespace Frostline.Checkpoints;

/// <summary>How two tensors of one name differ, or which checkpoint lacks it.</summary>
/// <param name="Name">The name; where a map renamed the first's tensor, its new name.</param>
/// <param name="First">The tensor in the first checkpoint, under its name there; null where it lacks it.</param>
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
/// <param name="Remarks">What the map has to say, such as an optional rule that matched nothing.</param>
public sealed record CheckpointDifference(IReadOnlyList<TensorDifference> Tensors, IReadOnlyList<string> Remarks)
{
    /// <summary>Whether both have the same names, types, shapes and bytes.</summary>
    public bool IsEqual => Tensors.All(tensor => tensor.IsEqual);

    /// <summary>Compares two checkpoints, part by part, in bounded memory.</summary>
    /// <param name="first">The first.</param>
    /// <param name="second">The second.</param>
    /// <param name="map">Turns the first's names into the second's; null compares names as they are.</param>
    /// <exception cref="CheckpointException">
    /// The bytes of a tensor are damaged, or the map does not fit the first's names (see <see cref="KeyMap.Apply(IReadOnlyList{string})"/>).
    /// </exception>
    public static CheckpointDifference Of(Checkpoint first, Checkpoint second, KeyMap? map = null)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var names = (map ?? KeyMap.Identity).Apply([.. first.Tensors.Select(tensor => tensor.Name)]);
        var known = names.Pairs.Select(pair => pair.Target).ToHashSet(StringComparer.Ordinal);
        var tensors = first.Tensors.Zip(names.Pairs, (a, pair) => second.TryFind(pair.Target, out var b)
            ? Compare(first, a, second, b)
            : new TensorDifference(pair.Target, a, null, null, IsEqual: false));
        var rest = second.Tensors.Where(b => !known.Contains(b.Name));
        return new(
            [.. tensors, .. rest.Select(b => new TensorDifference(b.Name, null, b, null, IsEqual: false))], names.Remarks);
    }

    private static TensorDifference Compare(Checkpoint first, TensorInfo a, Checkpoint second, TensorInfo b)
    {
        if (!a.Shape.SequenceEqual(b.Shape)) return new(b.Name, a, b, null, IsEqual: false);
        var (x, y) = (new ElementReader(first, a), new ElementReader(second, b));
        var (equal, most) = (a.Type == b.Type, 0.0);
        while (x.Next() && y.Next())
        {
            if (a.Type == b.Type && x.Bytes.SequenceEqual(y.Bytes)) continue;
            equal = false;
            // Max keeps what is no number.
            for (var i = 0; i < x.Values.Length; i++) most = Math.Max(most, Distance(x.Values[i], y.Values[i]));
        }

        return new(b.Name, a, b, most, equal);
    }

    // Equals, because the difference of equal infinities is no number, and what is no number equals itself here.
    private static double Distance(double a, double b) => a.Equals(b) ? 0 : Math.Abs(a - b);
}
