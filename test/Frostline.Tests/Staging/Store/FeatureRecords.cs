using Frostline.Checkpoints;
using Frostline.Staging;

namespace Frostline.Children;

/// <summary>Records that tests and their child processes agree on: each follows from its number.</summary>
internal static class FeatureRecords
{
    public const string Identity = "00112233445566778899aabbccddeeff";

    /// <summary>One tensor whose records need padding and one whose records need none.</summary>
    public static FeatureSchema Schema { get; } = new(
        new TensorInfo("stage1", TensorType.Float16, [3, 5]), new TensorInfo("stage2", TensorType.Float32, [16]));

    public static FeatureKey Key(int number) => FeatureKey.Of((UInt128)(uint)number, "resize 256");

    public static FeatureKey[] Keys(int count) => [.. Enumerable.Range(0, count).Select(Key)];

    /// <summary>The tensors of one record.</summary>
    public static ReadOnlyMemory<byte>[] Tensors(int number) => Tensors([number]);

    /// <summary>The tensors of several records, one behind the other.</summary>
    public static ReadOnlyMemory<byte>[] Tensors(IReadOnlyList<int> numbers) =>
        [.. Sizes.Select((size, tensor) => (ReadOnlyMemory<byte>)numbers.SelectMany(number => Bytes(number, tensor, size)).ToArray())];

    /// <summary>Room for records.</summary>
    public static Memory<byte>[] Room(int count = 1) => [.. Sizes.Select(size => (Memory<byte>)new byte[size * count])];

    public static bool Write(FeatureStore store, int number) => store.Write(Key(number), Tensors(number));

    /// <summary>Whether a record is there; anything but the right bytes is an error.</summary>
    public static bool Reads(FeatureStore store, int number)
    {
        var room = Room();
        if (!store.TryRead(Key(number), room)) return false;
        var expected = Tensors(number);
        for (var i = 0; i < room.Length; i++)
            if (!room[i].Span.SequenceEqual(expected[i].Span)) throw new InvalidOperationException($"wrong bytes in record {number}");
        return true;
    }

    private static IEnumerable<int> Sizes => Schema.Tensors.Select(tensor => (int)tensor.ByteCount);

    // Never zero, so that a hole in a file is no record.
    private static IEnumerable<byte> Bytes(int number, int tensor, int size) =>
        Enumerable.Range(0, size).Select(i => (byte)(1 + (((number * 31) + (tensor * 7) + (i * (number + 3))) % 255)));
}
