using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>Prints a tensor's values as NumPy does; only what is shown is read.</summary>
public static class TensorPrinter
{
    private const int Threshold = 1000;
    private const int Edge = 3;
    private const int LineLength = 75;

    /// <summary>
    /// The values in brackets; of a tensor with more than 1,000 only the first and last three of each dimension. A number is
    /// written in the fewest digits that give it back.
    /// </summary>
    /// <param name="checkpoint">Where the tensor lies.</param>
    /// <param name="tensor">One of the checkpoint's tensors.</param>
    /// <exception cref="CheckpointException">The tensor is not of this checkpoint, or its bytes are damaged.</exception>
    public static string Print(Checkpoint checkpoint, TensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.ElementCount == 0) return "[]";
        var cells = new List<string>();
        Visit(tensor, 0, 0, at => cells.Add(Element(checkpoint, tensor, at)), static (_, _, _) => { });
        var width = cells.Max(cell => cell.Length);
        var (text, next, line) = (new StringBuilder(), 0, 0);

        void Append(string cell) => text.Append(cell.PadLeft(width));

        Visit(tensor, 0, 0, _ => Append(cells[next++]), (dimension, first, what) =>
        {
            if (what is '[' or ']') text.Append(what);
            if (what == '[' && dimension == tensor.Shape.Count - 1) line = text.Length - tensor.Shape.Count;
            if (what != ',' || first) return;
            var apart = tensor.Shape.Count - 1 - dimension;
            if (apart == 0 && text.Length + 1 + width - line <= LineLength)
            {
                text.Append(' ');
                return;
            }

            text.Append('\n', Math.Max(1, apart));
            line = text.Length;
            text.Append(' ', dimension + 1);
        }, () => text.Append("..."));
        return text.ToString();
    }

    /// <summary>The first values, row by row, each as text: a number, <c>true</c>, <c>false</c>, <c>NaN</c>, <c>Infinity</c>, <c>-Infinity</c>.</summary>
    /// <param name="checkpoint">Where the tensor lies.</param>
    /// <param name="tensor">One of the checkpoint's tensors.</param>
    /// <param name="most">How many values at the most, from 0.</param>
    /// <exception cref="CheckpointException">The tensor is not of this checkpoint, or its bytes are damaged.</exception>
    public static IReadOnlyList<string> First(Checkpoint checkpoint, TensorInfo tensor, int most)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(most);
        var values = new string[(int)Math.Min(most, tensor.ElementCount)];
        for (var i = 0; i < values.Length; i++) values[i] = Element(checkpoint, tensor, i);
        return values;
    }

    /// <summary>Goes through what is shown: elements, and brackets and separators (a comma) with their dimension.</summary>
    private static void Visit(
        TensorInfo tensor, int dimension, long at, Action<long> element, Action<int, bool, char> mark, Action? gap = null)
    {
        if (dimension == tensor.Shape.Count)
        {
            element(at);
            return;
        }

        var size = tensor.Shape[dimension];
        mark(dimension, true, '[');
        for (long i = 0; i < size; i++)
        {
            mark(dimension, i == 0, ',');
            if (i == Edge && size > 2 * Edge && tensor.ElementCount > Threshold)
            {
                gap?.Invoke();
                i = size - Edge - 1;
                continue;
            }

            Visit(tensor, dimension + 1, (at * size) + i, element, mark, gap);
        }

        mark(dimension, false, ']');
    }

    private static string Element(Checkpoint checkpoint, TensorInfo tensor, long at)
    {
        Span<byte> bytes = stackalloc byte[8];
        bytes = bytes[..tensor.Type.Size()];
        checkpoint.Read(tensor, at * bytes.Length, bytes);
        return tensor.Type switch
        {
            TensorType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes).ToString(CultureInfo.InvariantCulture),
            TensorType.Float16 => BinaryPrimitives.ReadHalfLittleEndian(bytes).ToString(CultureInfo.InvariantCulture),
            // Float64 would not show the last digits of large integers.
            TensorType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes).ToString(CultureInfo.InvariantCulture),
            TensorType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes).ToString(CultureInfo.InvariantCulture),
            TensorType.Bool => bytes[0] == 0 ? "false" : "true",
            _ => Other(bytes, tensor.Type),
        };
    }

    private static string Other(ReadOnlySpan<byte> bytes, TensorType type)
    {
        Span<double> value = stackalloc double[1];
        Elements.ToDouble(bytes, type, value);
        // What float32 holds exactly has fewer digits there.
        return type == TensorType.BFloat16
            ? ((float)value[0]).ToString(CultureInfo.InvariantCulture)
            : value[0].ToString(CultureInfo.InvariantCulture);
    }
}
