using Frostline.Checkpoints;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Archives of torch.save on a big-endian machine, laid out record by record, with elements of every type.</summary>
public sealed class BigEndianTests
{
    private static readonly (string Storage, TensorType Type)[] s_typed =
    [
        ("Double", TensorType.Float64), ("Float", TensorType.Float32), ("Half", TensorType.Float16), ("BFloat16", TensorType.BFloat16),
        ("Long", TensorType.Int64), ("Int", TensorType.Int32), ("Short", TensorType.Int16), ("Char", TensorType.Int8), ("Byte", TensorType.UInt8),
        ("Bool", TensorType.Bool),
    ];

    // Types that have no storage class of their own.
    private static readonly (string Name, TensorType Type)[] s_untyped =
    [
        ("uint64", TensorType.UInt64), ("uint32", TensorType.UInt32), ("uint16", TensorType.UInt16), ("float8_e5m2", TensorType.Float8E5M2),
        ("float8_e4m3fn", TensorType.Float8E4M3),
    ];

    [Fact]
    public void Elements_of_every_type_are_turned_round_and_none_else()
    {
        var random = new Random(11);
        var (entries, storages) = (new List<(object?, object?)>(), new List<(TensorType Type, byte[] Little)>());
        void Add(TensorType type, Action<Pickler> whole, Action<Pickler> transposed)
        {
            var little = new byte[6 * type.Size()];
            random.NextBytes(little);
            storages.Add((type, little));
            entries.Add(($"{type}.whole", whole));
            entries.Add(($"{type}.transposed", transposed));
        }

        foreach (var (storage, type) in s_typed)
        {
            var key = $"{storages.Count}";
            Add(type, p => p.Tensor($"{storage}Storage", key, 6, 0, [2, 3], [3, 1]), p => p.Tensor($"{storage}Storage", key, 6, 0, [3, 2], [1, 3]));
        }

        foreach (var (name, type) in s_untyped)
        {
            var key = $"{storages.Count}";
            Add(type, p => Untyped(p, key, name, type, [2, 3], [3, 1]), p => Untyped(p, key, name, type, [3, 2], [1, 3]));
        }

        Assert.Equal(Enum.GetValues<TensorType>(), storages.Select(s => s.Type).Order());
        byte[] Archive(string order, Func<(TensorType Type, byte[] Little), byte[]> data) => TorchFile.Archive(
        [
            new("archive/data.pkl", Pickler.Bytes(p => p.Dict([.. entries]))), new("archive/byteorder", System.Text.Encoding.ASCII.GetBytes(order)),
            .. storages.Select((s, i) => new ZipPart($"archive/data/{i}", data(s))), new("archive/version", "3\n"u8.ToArray()),
        ]);
        using var big = Checkpoint.Open(
            Archive("big", s => [.. s.Little.Chunk(s.Type.Size()).SelectMany(element => element.Reverse())]), "memory");
        foreach (var (type, little) in storages)
        {
            var elements = little.Chunk(type.Size()).ToArray();
            Assert.Equal(little, big.Read($"{type}.whole"));
            Assert.Equal(new[] { 0, 3, 1, 4, 2, 5 }.SelectMany(i => elements[i]), big.Read($"{type}.transposed"));
        }

        using var same = Checkpoint.Open(Archive("little", s => s.Little), "memory");
        Assert.Equal(same.ContentHash(), big.ContentHash());
    }

    private static void Untyped(Pickler pickler, string key, string name, TensorType type, long[] size, long[] stride) => pickler
        .Global("torch._utils", "_rebuild_tensor_v3")
        .Tuple(
            (Action<Pickler>)(p => p.Storage("UntypedStorage", key, 6 * type.Size())), 0, size, stride, false,
            (Action<Pickler>)(p => p.Global("collections", "OrderedDict").Op(')').Op('R')), (Action<Pickler>)(p => p.Global("torch", name)))
        .Op('R');
}
