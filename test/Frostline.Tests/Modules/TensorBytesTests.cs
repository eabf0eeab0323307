using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Testing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Modules;

[Collection(LibTorchCollection.Name)]
public sealed class TensorBytesTests
{
    [Theory]
    [InlineData(TensorType.Float64)]
    [InlineData(TensorType.Float32)]
    [InlineData(TensorType.Float16)]
    [InlineData(TensorType.BFloat16)]
    [InlineData(TensorType.Int64)]
    [InlineData(TensorType.Int32)]
    [InlineData(TensorType.Int16)]
    [InlineData(TensorType.Int8)]
    [InlineData(TensorType.UInt8)]
    [InlineData(TensorType.Bool)]
    public void What_is_written_is_read_again_bit_for_bit(TensorType type)
    {
        using var tensor = zeros([3, 5], TensorBytes.ToScalarType(type));
        var bytes = new byte[15 * type.Size()];
        for (var i = 0; i < bytes.Length; i++) bytes[i] = type == TensorType.Bool ? (byte)(i % 2) : (byte)(i * 37);

        TensorBytes.Write(tensor, bytes);

        Assert.Equal(type, TensorBytes.TypeOf(tensor));
        Assert.Equal(bytes, TensorBytes.Read(tensor));
    }

    [Fact]
    public void Strides_do_not_matter()
    {
        using var tensor = arange(6, ScalarType.Int32).reshape(2, 3);
        using var transposed = tensor.t();
        Assert.False(transposed.is_contiguous());
        Assert.Equal([0, 3, 1, 4, 2, 5], Integers(TensorBytes.Read(transposed)));

        TensorBytes.Write(transposed, TensorBytes.Read(tensor));
        Assert.Equal([0, 2, 4, 1, 3, 5], Integers(TensorBytes.Read(tensor)));
    }

    [Fact]
    public void Views_parameters_scalars_and_empty_tensors_work()
    {
        using var all = arange(10, ScalarType.Float32);
        using var part = all[4..6];
        Assert.Equal([4f, 5f], System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(TensorBytes.Read(part)).ToArray());

        using var parameter = nn.Parameter(ones(1));
        TensorBytes.Write(parameter, BitConverter.GetBytes(2.5f));
        Assert.Equal(2.5f, parameter.item<float>());

        using var scalar = tensor(7L);
        Assert.Equal(BitConverter.GetBytes(7L), TensorBytes.Read(scalar));
        using var empty = zeros(0, 3);
        Assert.Empty(TensorBytes.Read(empty));
        TensorBytes.Write(empty, []);
    }

    [Fact]
    public void Pieces_put_together_are_the_whole()
    {
        using var tensor = arange(100, ScalarType.Int32);
        var bytes = new List<byte>();
        var pieces = 0;
        TensorBytes.Use(tensor, piece =>
        {
            bytes.AddRange(piece);
            pieces++;
        }, pieceSize: 64);
        Assert.Equal(7, pieces);
        Assert.Equal(TensorBytes.Read(tensor), bytes);
    }

    [Fact]
    public void A_wrong_length_and_an_unknown_type_are_refused()
    {
        using var tensor = zeros(3);
        Assert.Throws<ArgumentException>(() => TensorBytes.Read(tensor, new byte[11]));
        Assert.Throws<ArgumentException>(() => TensorBytes.Write(tensor, new byte[13]));
        using var complex = zeros(1, ScalarType.ComplexFloat32);
        Assert.Throws<FrostlineException>(() => TensorBytes.TypeOf(complex));
        Assert.Throws<FrostlineException>(() => TensorBytes.ToScalarType(TensorType.Float8E4M3));
    }

    private static int[] Integers(byte[] bytes) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, int>(bytes).ToArray();
}
