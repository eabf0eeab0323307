using System.Runtime.InteropServices;
using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>Checks the views that tensors are, and reads them row by row.</summary>
internal static class TensorLayout
{
    // How many bytes of the file are asked for at once where elements lie apart.
    private const int Extent = 1 << 22;

    /// <summary>What is wrong with a tensor, or null: it must lie in its storage and not unfold beyond the limits.</summary>
    public static string? Fault(TorchTensor tensor, long fileLength)
    {
        var (size, stride) = (tensor.Size, tensor.Stride);
        if (size.Length != stride.Length) return "sizes and strides differ in number";
        if (tensor.Offset < 0 || size.Any(s => s < 0) || stride.Any(s => s < 0)) return "offset, sizes or strides are negative";
        try
        {
            var count = size.Aggregate(1L, (product, s) => checked(product * s));
            if (count == 0) return null;
            var last = tensor.Offset;
            for (var i = 0; i < size.Length; i++) last = checked(last + ((size[i] - 1) * stride[i]));
            if (last >= tensor.Storage.ByteCount / tensor.Type.Size()) return "elements lie outside its storage";
            var limit = Math.Max(CheckpointLimits.UnfoldedBytes, 4 * fileLength);
            return checked(count * tensor.Type.Size()) > limit ? "views unfold to more memory than the limit" : null;
        }
        catch (OverflowException)
        {
            return "sizes are larger than 64 bits can count";
        }
    }

    /// <summary>Whether a tensor's elements lie in its storage row by row without gaps.</summary>
    public static bool IsContiguous(TorchTensor tensor)
    {
        long expected = 1;
        for (var i = tensor.Size.Length - 1; i >= 0; i--)
        {
            if (tensor.Size[i] != 1 && tensor.Stride[i] != expected) return false;
            expected *= tensor.Size[i];
        }

        return true;
    }

    /// <summary>Reads a part of a tensor's row-major bytes.</summary>
    /// <param name="tensor">The tensor; <see cref="Fault"/> found nothing.</param>
    /// <param name="lease">The file.</param>
    /// <param name="start">Where its storage's data begin in the file.</param>
    /// <param name="offset">The first byte to read; a multiple of the element size.</param>
    /// <param name="destination">Takes whole elements.</param>
    public static void Read(TorchTensor tensor, in ByteLease lease, long start, long offset, Span<byte> destination)
    {
        var element = tensor.Type.Size();
        var (size, stride) = Merge(tensor);
        var run = stride[^1] == 1 ? size[^1] : 1;
        var index = new long[size.Length];
        var rest = offset / element;
        for (var i = size.Length - 1; i >= 0; i--) (rest, index[i]) = Math.DivRem(rest, size[i]);

        while (destination.Length > 0)
        {
            var at = tensor.Offset;
            for (var i = 0; i < index.Length; i++) at += index[i] * stride[i];
            // The innermost dimension in one go: as one copy, or element by element.
            var count = (int)Math.Min(size[^1] - index[^1], destination.Length / element);
            var row = destination[..(count * element)];
            if (run > 1) lease.Slice(start + (at * element), row.Length).CopyTo(row);
            else Gather(lease, start + (at * element), stride[^1] * element, element, row);
            destination = destination[row.Length..];
            index[^1] += count;
            for (var i = index.Length - 1; i > 0 && index[i] == size[i]; i--) (index[i], index[i - 1]) = (0, index[i - 1] + 1);
        }
    }

    private static void Gather(in ByteLease lease, long at, long step, int element, Span<byte> row)
    {
        // In blocks, because a lease on a stream reads all that lies between the first element and the last.
        var block = (int)Math.Clamp((Extent - element) / Math.Max(step, 1) + 1, 1, row.Length / element);
        while (row.Length > 0)
        {
            var part = row[..Math.Min(block * element, row.Length)];
            GatherBlock(lease, at, step, element, part);
            at += block * step;
            row = row[part.Length..];
        }
    }

    private static void GatherBlock(in ByteLease lease, long at, long step, int element, Span<byte> row)
    {
        // A single element has no step, however long it is.
        var count = row.Length / element;
        if (count == 1) step = element;
        var source = lease.Slice(at, (int)(((count - 1) * step) + element));
        switch (element)
        {
            case 1: Gather<byte>(source, (int)step, row); break;
            case 2: Gather<ushort>(source, (int)step, row); break;
            case 4: Gather<uint>(source, (int)step, row); break;
            default: Gather<ulong>(source, (int)step, row); break;
        }
    }

    private static void Gather<T>(ReadOnlySpan<byte> source, int step, Span<byte> row)
        where T : unmanaged
    {
        // Neither side need be aligned: storages lie at any byte of a file.
        for (int from = 0, to = 0; to < row.Length; from += step, to += Marshal.SizeOf<T>())
            MemoryMarshal.Write(row[to..], MemoryMarshal.Read<T>(source[from..]));
    }

    /// <summary>The same view in fewer dimensions: those of size 1 dropped, neighbours that follow each other merged.</summary>
    private static (long[] Size, long[] Stride) Merge(TorchTensor tensor)
    {
        var size = new List<long>();
        var stride = new List<long>();
        for (var i = 0; i < tensor.Size.Length; i++)
        {
            if (tensor.Size[i] == 1) continue;
            if (size.Count > 0 && stride[^1] == tensor.Stride[i] * tensor.Size[i])
            {
                size[^1] *= tensor.Size[i];
                stride[^1] = tensor.Stride[i];
                continue;
            }

            size.Add(tensor.Size[i]);
            stride.Add(tensor.Stride[i]);
        }

        return size.Count == 0 ? ([1], [1]) : ([.. size], [.. stride]);
    }
}
