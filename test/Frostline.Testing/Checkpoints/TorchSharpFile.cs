using System.Text;

namespace Frostline.Testing.Checkpoints;

/// <summary>Lays files out byte for byte as TorchSharp's <c>Module.save</c> and <c>Tensor.Save</c> do.</summary>
public static class TorchSharpFile
{
    /// <summary>A module's tensors.</summary>
    public static byte[] Module(params (string Name, byte[] Tensor)[] tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return [.. Number(tensors.Length), .. tensors.SelectMany(t => Name(t.Name).Concat(t.Tensor))];
    }

    /// <summary>A tensor: the number of its type in <c>torch.ScalarType</c>, its sizes, its elements.</summary>
    public static byte[] Tensor(int type, long[] shape, byte[] data)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return [.. Number(type), .. Number(shape.Length), .. shape.SelectMany(Number), .. data];
    }

    /// <summary>A number in LEB128.</summary>
    public static IEnumerable<byte> Number(long value)
    {
        for (; value >= 0x80; value >>= 7) yield return (byte)(value | 0x80);
        yield return (byte)value;
    }

    private static byte[] Name(string name)
    {
        var utf8 = Encoding.UTF8.GetBytes(name);
        return [.. Number(utf8.Length), .. utf8];
    }
}
