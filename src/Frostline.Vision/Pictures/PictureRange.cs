using TorchSharp;

namespace Frostline.Vision.Pictures;

/// <summary>Which values of a tensor become black and which white; values beyond are clamped.</summary>
/// <param name="Low">Becomes the grey level 0.</param>
/// <param name="High">Becomes the grey level 255; where it equals <paramref name="Low"/>, everything up to it is black.</param>
public readonly record struct PictureRange(double Low, double High)
{
    /// <summary>0 to 1, as after <c>scale: 255</c>, and of masks.</summary>
    public static PictureRange Unit => new(0, 1);

    /// <summary>-1 to 1, as tanh puts out.</summary>
    public static PictureRange Signed => new(-1, 1);

    /// <summary>0 to 255: the values are the grey levels.</summary>
    public static PictureRange Levels => new(0, 255);

    /// <summary>From the smallest to the largest value of a tensor.</summary>
    /// <param name="tensor">The tensor, of any shape and real type; it may require a gradient.</param>
    /// <exception cref="ArgumentException">The tensor has no elements, or values that are no finite numbers.</exception>
    public static PictureRange Of(torch.Tensor tensor) => Of(TensorValues.Copy(tensor));

    internal static PictureRange Of(ReadOnlySpan<float> values)
    {
        float low = float.PositiveInfinity, high = float.NegativeInfinity;
        foreach (var value in values)
        {
            if (!float.IsFinite(value))
                throw new ArgumentException($"the range of a tensor with the value {value} has no end; give a range, or remove the value", nameof(values));
            (low, high) = (Math.Min(low, value), Math.Max(high, value));
        }

        return values.IsEmpty ? throw new ArgumentException("a tensor without elements has no range", nameof(values)) : new PictureRange(low, high);
    }

    /// <summary>What a type's values mean where nothing is said: bytes and whole numbers are grey levels, all else lies in 0 to 1.</summary>
    internal static PictureRange DefaultFor(torch.ScalarType type) => type is torch.ScalarType.Byte or torch.ScalarType.Int8
        or torch.ScalarType.Int16 or torch.ScalarType.Int32 or torch.ScalarType.Int64 ? Levels : Unit;

    /// <summary>The grey level of a value, rounded to the nearest, halves upwards.</summary>
    internal byte LevelOf(float value)
    {
        var level = High > Low ? ((value - Low) / (High - Low) * 255) + 0.5 : value > High ? 255 : 0;
        return (byte)Math.Clamp(level, 0, 255);
    }

    /// <summary>The range itself; throws where it is none.</summary>
    internal static PictureRange Checked(PictureRange range) => double.IsFinite(range.Low) && double.IsFinite(range.High) && range.Low <= range.High
        ? range
        : throw new ArgumentException($"{range.Low} to {range.High} is no range of values", nameof(range));
}
