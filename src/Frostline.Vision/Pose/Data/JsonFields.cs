using System.Text.Json;

namespace Frostline.Vision.Pose;

/// <summary>An entry of a file is not as it has to be; never leaves the readers, which make a problem of it.</summary>
internal sealed class FaultyEntryException(string reason) : Exception(reason);

/// <summary>Fields of entries; what is missing or not as it has to be is a <see cref="FaultyEntryException"/>.</summary>
internal static class JsonFields
{
    /// <summary>A field; null where the entry has none, or has null.</summary>
    public static JsonElement? Optional(this JsonElement entry, string field)
    {
        if (entry.ValueKind != JsonValueKind.Object) throw new FaultyEntryException("not an object");
        return entry.TryGetProperty(field, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    /// <summary>A field that has to be there.</summary>
    public static JsonElement Required(this JsonElement entry, string field) =>
        entry.Optional(field) ?? throw new FaultyEntryException($"no {field}");

    /// <summary>A whole number.</summary>
    public static long Whole(this JsonElement value, string what) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number)
            ? number
            : throw new FaultyEntryException($"{what} is no whole number");

    /// <summary>A finite number; JSON can write others as 1e999.</summary>
    public static double Number(this JsonElement value, string what) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw new FaultyEntryException($"{what} is no finite number");

    /// <summary>A text that is not empty.</summary>
    public static string Text(this JsonElement value, string what)
    {
        if (value.ValueKind != JsonValueKind.String) throw new FaultyEntryException($"{what} is no text");
        try
        {
            var text = value.GetString()!;
            if (text.Length > 0 && !text.Contains('\0', StringComparison.Ordinal)) return text;
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair.
        }

        throw new FaultyEntryException($"{what} is empty or no valid text");
    }

    /// <summary>A switch: true, false, 1 or 0.</summary>
    public static bool Flag(this JsonElement value, string what) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number when value.TryGetInt64(out var number) && number is 0 or 1 => number == 1,
        _ => throw new FaultyEntryException($"{what} is neither 0 nor 1"),
    };

    /// <summary>The elements of a list.</summary>
    public static IEnumerable<JsonElement> List(this JsonElement value, string what) =>
        value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw new FaultyEntryException($"{what} is no list");

    /// <summary>A box, <c>[left, top, width, height]</c>, of some extent.</summary>
    public static Box Box(this JsonElement value, string what)
    {
        double[] numbers = [.. value.List(what).Select(number => number.Number(what))];
        if (numbers.Length != 4) throw new FaultyEntryException($"{what} has {numbers.Length} numbers, not 4");
        var box = new Box(numbers[0], numbers[1], numbers[2], numbers[3]);
        return box.Width > 0 && box.Height > 0 && double.IsFinite(box.Area)
            ? box
            : throw new FaultyEntryException(FormattableString.Invariant($"{what} is {box.Width} wide and {box.Height} high"));
    }

    /// <summary>Joints, <c>[x, y, v, x, y, v, …]</c>.</summary>
    /// <param name="value">The list.</param>
    /// <param name="count">How many joints there have to be.</param>
    /// <param name="what">What to call it.</param>
    public static Joint[] Joints(this JsonElement value, int count, string what)
    {
        double[] numbers = [.. value.List(what).Select(number => number.Number(what))];
        if (numbers.Length != 3 * count)
            throw new FaultyEntryException($"{what} has {numbers.Length} numbers, and {count} joints take {3 * count}");
        var joints = new Joint[count];
        for (var i = 0; i < count; i++)
        {
            if (numbers[(3 * i) + 2] is not (0 or 1 or 2))
                throw new FaultyEntryException(FormattableString.Invariant($"joint {i} has the visibility {numbers[(3 * i) + 2]}, not 0, 1 or 2"));
            joints[i] = new Joint(numbers[3 * i], numbers[(3 * i) + 1], (JointVisibility)numbers[(3 * i) + 2]);
        }

        return joints;
    }
}
