using Frostline.Checkpoints;
using Frostline.Native;
using TorchSharp;

namespace Frostline.Modules;

/// <summary>Reads and writes the bytes of tensors: row-major, little-endian, whatever their strides and device.</summary>
public static class TensorBytes
{
    /// <summary>The type of a tensor's elements.</summary>
    /// <exception cref="FrostlineException">The type has no counterpart in checkpoints, for example a complex or quantised one.</exception>
    public static TensorType TypeOf(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor.dtype switch
        {
            torch.ScalarType.Float64 => TensorType.Float64,
            torch.ScalarType.Float32 => TensorType.Float32,
            torch.ScalarType.Float16 => TensorType.Float16,
            torch.ScalarType.BFloat16 => TensorType.BFloat16,
            torch.ScalarType.Int64 => TensorType.Int64,
            torch.ScalarType.Int32 => TensorType.Int32,
            torch.ScalarType.Int16 => TensorType.Int16,
            torch.ScalarType.Int8 => TensorType.Int8,
            torch.ScalarType.Byte => TensorType.UInt8,
            torch.ScalarType.Bool => TensorType.Bool,
            var other => throw new FrostlineException($"tensors of type {other} cannot be kept in checkpoints; convert it to a real type first"),
        };
    }

    /// <summary>TorchSharp's name of a type.</summary>
    /// <exception cref="FrostlineException">libtorch here has no such type (8-bit floats, wide unsigned integers).</exception>
    public static torch.ScalarType ToScalarType(TensorType type) => type switch
    {
        TensorType.Float64 => torch.ScalarType.Float64,
        TensorType.Float32 => torch.ScalarType.Float32,
        TensorType.Float16 => torch.ScalarType.Float16,
        TensorType.BFloat16 => torch.ScalarType.BFloat16,
        TensorType.Int64 => torch.ScalarType.Int64,
        TensorType.Int32 => torch.ScalarType.Int32,
        TensorType.Int16 => torch.ScalarType.Int16,
        TensorType.Int8 => torch.ScalarType.Int8,
        TensorType.UInt8 => torch.ScalarType.Byte,
        TensorType.Bool => torch.ScalarType.Bool,
        _ => throw new FrostlineException($"tensors of type {type} have no counterpart in TorchSharp; convert the checkpoint to float32 first"),
    };

    /// <summary>The tensor's sizes; asked for one after the other, which spares the callback of TorchSharp's <c>shape</c>.</summary>
    internal static long[] ShapeOf(torch.Tensor tensor)
    {
        var shape = new long[tensor.dim()];
        for (var i = 0; i < shape.Length; i++) shape[i] = tensor.size(i);
        return shape;
    }

    /// <summary>How many bytes the tensor's elements take.</summary>
    public static long Count(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return checked(tensor.numel() * tensor.element_size());
    }

    /// <summary>A copy of the tensor's bytes.</summary>
    /// <exception cref="FrostlineException">The tensor is larger than an array can be (2 GB).</exception>
    public static byte[] Read(torch.Tensor tensor)
    {
        var count = Count(tensor);
        if (count > Array.MaxLength) throw new FrostlineException($"a tensor of {count} bytes is too large for one array; read it piecewise with Use");
        var bytes = new byte[count];
        Read(tensor, bytes);
        return bytes;
    }

    /// <summary>Copies the tensor's bytes.</summary>
    /// <param name="tensor">Any tensor.</param>
    /// <param name="destination">As long as <see cref="Count"/> says.</param>
    /// <exception cref="ArgumentException">The destination's length is another.</exception>
    public static void Read(torch.Tensor tensor, Span<byte> destination)
    {
        if (destination.Length != Count(tensor)) throw new ArgumentException($"{Count(tensor)} bytes expected, {destination.Length} given", nameof(destination));
        if (destination.IsEmpty) return;
        using var contiguous = Contiguous.Of(tensor);
        contiguous.Piece(0, destination.Length).CopyTo(destination);
    }

    /// <summary>Shows the tensor's bytes in consecutive pieces, without copying where the tensor is contiguous and in main memory.</summary>
    /// <param name="tensor">Any tensor.</param>
    /// <param name="piece">Is given each piece in turn; must not keep it. Not called for a tensor without elements.</param>
    /// <param name="pieceSize">The largest piece in bytes; default 64 MB.</param>
    public static void Use(torch.Tensor tensor, Action<ReadOnlySpan<byte>> piece, int pieceSize = 1 << 26)
    {
        ArgumentNullException.ThrowIfNull(piece);
        ArgumentOutOfRangeException.ThrowIfLessThan(pieceSize, 1);
        var count = Count(tensor);
        if (count == 0) return;
        using var contiguous = Contiguous.Of(tensor);
        for (var offset = 0L; offset < count; offset += pieceSize)
            piece(contiguous.Piece(offset, (int)Math.Min(pieceSize, count - offset)));
    }

    /// <summary>Overwrites the tensor's elements. Autograd does not see it.</summary>
    /// <param name="tensor">Any tensor, also a parameter that requires gradients.</param>
    /// <param name="source">As long as <see cref="Count"/> says.</param>
    /// <exception cref="ArgumentException">The source's length is another.</exception>
    public static void Write(torch.Tensor tensor, ReadOnlySpan<byte> source)
    {
        if (source.Length != Count(tensor)) throw new ArgumentException($"{Count(tensor)} bytes expected, {source.Length} given", nameof(source));
        if (source.IsEmpty) return;
        if (tensor.device_type == DeviceType.CPU && tensor.is_contiguous())
        {
            using var target = Contiguous.Of(tensor);
            source.CopyTo(target.Piece(0, source.Length));
            return;
        }

        using var grad = torch.no_grad();
        using var staged = torch.empty(tensor.shape, tensor.dtype, torch.CPU);
        using (var target = Contiguous.Of(staged)) source.CopyTo(target.Piece(0, source.Length));
        // copy_ returns the tensor itself: it must not be disposed here.
        tensor.copy_(staged);
    }

    /// <summary>A tensor to be written to a file, whose bytes are read when its turn comes.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="tensor">The tensor; it must not change until then.</param>
    /// <exception cref="FrostlineException">As of <see cref="TypeOf"/>.</exception>
    public static TensorSource SourceOf(string name, torch.Tensor tensor) =>
        new(new TensorInfo(name, TypeOf(tensor), tensor.shape), stream => Use(tensor, piece => stream.Write(piece)));

    /// <summary>Where the tensor's elements lie row by row in main memory; zero where they do not, or where there are none.</summary>
    /// <param name="tensor">The tensor; has to outlive the use of the address.</param>
    internal static nint AddressOf(torch.Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.is_contiguous() ? TensorMemory.Address(tensor) : 0;

    /// <summary>A tensor's elements in row-major order in main memory: its own, or those of a copy.</summary>
    private readonly ref struct Contiguous : IDisposable
    {
        private readonly torch.Tensor _tensor;
        private readonly torch.Tensor? _copy;
        private readonly nint _address;

        private Contiguous(torch.Tensor tensor, torch.Tensor? copy)
        {
            (_tensor, _copy) = (tensor, copy);
            _address = TensorMemory.Address(copy ?? tensor);
        }

        internal static Contiguous Of(torch.Tensor tensor)
        {
            if (tensor.device_type == DeviceType.CPU && tensor.is_contiguous()) return new Contiguous(tensor, null);
            using var grad = torch.no_grad();
            using var local = tensor.cpu();
            return new Contiguous(tensor, local.contiguous().DetachFromDisposeScope());
        }

        internal unsafe Span<byte> Piece(long offset, int count) => new((void*)(_address + (nint)offset), count);

        public void Dispose()
        {
            _copy?.Dispose();
            GC.KeepAlive(_tensor);
        }
    }
}
