using CsCheck;
using Frostline.Children;
using Frostline.Staging;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Staging.Store;

/// <summary>Whatever happens to a store's files: no wrong record, no error, and what was lost can be written again.</summary>
public sealed class FeatureStoreDamageTests
{
    private const int Records = 40;

    private enum Way
    {
        Cut,
        Flip,
        Zero,
        Extend,
        Remove,
    }

    // Segments of 1 KiB, so that mapped reads and others both meet damage.
    private static readonly FeatureStoreOptions s_options = new() { SegmentBytes = 1024 };

    private static readonly Gen<(int File, Way Way, double Place, int Length)> s_damage = Gen.Select(
        Gen.Int[0, 100], Gen.Enum<Way>(), Gen.Double[0, 1], Gen.Int[1, 200]);

    [Fact]
    public void Damage_anywhere_loses_records_and_nothing_else()
    {
        using var original = new TemporaryFolder();
        Fill(original.Path);
        s_damage.Array[1, 3].Holds(
            damages =>
            {
                using var folder = new TemporaryFolder();
                Copy(original.Path, folder.Path);
                foreach (var (file, way, place, length) in damages) Damage(folder.Path, file, way, place, length);
                CheckReading(folder.Path);
                CheckRepairing(folder.Path);
            },
            samples: 250);
    }

    [Theory]
    [InlineData("*.index")]
    [InlineData("*.0.data")]
    [InlineData("*.1.data")]
    [InlineData("manifest.json")]
    public void A_file_may_be_cut_at_any_byte(string pattern)
    {
        using var original = new TemporaryFolder();
        Fill(original.Path, count: 6);
        var length = new FileInfo(FileOf(original.Path, pattern)).Length;
        for (var keep = 0; keep <= length; keep++)
        {
            using var folder = new TemporaryFolder();
            Copy(original.Path, folder.Path);
            Cut(FileOf(folder.Path, pattern), keep);
            using var store = Open(folder.Path);
            var readable = Enumerable.Range(0, 6).Count(i => FeatureRecords.Reads(store, i));
            // A cut takes only what lay behind it.
            if (pattern == "*.index") Assert.Equal(keep / 64, readable);
            else if (pattern == "manifest.json") Assert.Equal(6, readable);
            else Assert.InRange(readable, keep / 64, Math.Min(6, (keep / 64) + 1));
            Assert.True(FeatureRecords.Write(store, 100));
            Assert.True(FeatureRecords.Reads(store, 100));
        }
    }

    [Fact]
    public void A_damaged_record_is_reported_as_absent_and_can_be_written_again()
    {
        using var folder = new TemporaryFolder();
        Fill(folder.Path);
        var data = FileOf(folder.Path, "*.1.data");
        var bytes = File.ReadAllBytes(data);
        bytes[(3 * 64) + 5] ^= 1;
        File.WriteAllBytes(data, bytes);
        using (var store = Open(folder.Path))
        {
            Assert.True(store.Contains(FeatureRecords.Key(3)));
            Assert.False(FeatureRecords.Reads(store, 3));
            Assert.False(store.Contains(FeatureRecords.Key(3)));
            Assert.Equal(1, store.Dropped);
            Assert.True(FeatureRecords.Write(store, 3));
            Assert.True(FeatureRecords.Reads(store, 3));
        }

        // The damaged one is still in the file, and the good one is found all the same.
        using var again = Open(folder.Path);
        Assert.True(FeatureRecords.Reads(again, 3));
        Assert.Equal(Records, again.Count);
    }

    [Fact]
    public void A_good_copy_in_another_shard_is_read_in_place_of_a_damaged_one()
    {
        using var folder = new TemporaryFolder();
        using (var first = Open(folder.Path))
        using (var second = Open(folder.Path))
        {
            FeatureRecords.Write(first, 1);
            FeatureRecords.Write(second, 1);
        }

        foreach (var shard in new[] { "0000", "0001" })
        {
            var data = FileOf(folder.Path, $"{shard}.0.data");
            var bytes = File.ReadAllBytes(data);
            File.WriteAllBytes(data, [.. bytes.Select(value => (byte)~value)]);
            using (var store = Open(folder.Path)) Assert.True(FeatureRecords.Reads(store, 1));
            File.WriteAllBytes(data, bytes);
        }
    }

    [Fact]
    public void A_slot_whose_entry_was_lost_is_not_used_again()
    {
        using var folder = new TemporaryFolder();
        Fill(folder.Path, count: 6);
        // As after a kill between a record's data and its entry.
        Cut(FileOf(folder.Path, "*.index"), (5 * 64) + 10);
        using (var store = Open(folder.Path))
        {
            Assert.Equal(5, store.Count);
            FeatureRecords.Write(store, 7);
        }

        Assert.Equal((6 * 64) + 64, new FileInfo(FileOf(folder.Path, "*.1.data")).Length);
        using var again = Open(folder.Path);
        Assert.Equal([true, false, true], [FeatureRecords.Reads(again, 4), FeatureRecords.Reads(again, 5), FeatureRecords.Reads(again, 7)]);
    }

    [Fact]
    public void Files_of_another_store_hold_nothing()
    {
        using var folder = new TemporaryFolder();
        Fill(folder.Path);
        var other = Path.Combine(folder.Path, new string('b', 32));
        Directory.CreateDirectory(other);
        foreach (var file in Directory.GetFiles(Path.Combine(folder.Path, FeatureRecords.Identity)))
            File.Copy(file, Path.Combine(other, Path.GetFileName(file)));
        using var store = FeatureStore.Open(folder.Path, new string('b', 32), FeatureRecords.Schema);
        Assert.Equal(0, store.Count);
    }

    private static void Fill(string root, int count = Records)
    {
        using var store = Open(root);
        for (var i = 0; i < count; i++) FeatureRecords.Write(store, i);
    }

    /// <summary>Whatever is readable is right, singly and as a batch.</summary>
    private static void CheckReading(string root)
    {
        using var store = Open(root);
        var (room, found) = (FeatureRecords.Room(Records), new bool[Records]);
        store.ReadBatch(FeatureRecords.Keys(Records), room, found);
        for (var i = 0; i < Records; i++)
        {
            Assert.Equal(found[i], FeatureRecords.Reads(store, i));
            var size = room[1].Length / Records;
            var expected = found[i] ? FeatureRecords.Tensors(i)[1].ToArray() : new byte[size];
            Assert.Equal(expected, room[1].Slice(i * size, size).ToArray());
        }
    }

    /// <summary>What is absent can be written, and is all there afterwards and after opening again.</summary>
    private static void CheckRepairing(string root)
    {
        using (var store = Open(root))
        {
            for (var i = 0; i < Records; i++)
                if (!FeatureRecords.Reads(store, i)) Assert.True(FeatureRecords.Write(store, i));
            for (var i = 0; i < Records; i++) Assert.True(FeatureRecords.Reads(store, i));
        }

        using var again = Open(root);
        for (var i = 0; i < Records; i++) Assert.True(FeatureRecords.Reads(again, i));
        // An index that was extended may name a record twice.
        Assert.All(FeatureStores.Verify(root, drop: true), result => Assert.InRange(result.Records, Records, Records + 4));
        Assert.All(FeatureStores.Verify(root), result => Assert.True(result.IsSound));
    }

    private static void Damage(string root, int file, Way way, double place, int length)
    {
        var files = Directory.GetFiles(root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToArray();
        var path = files[file % files.Length];
        var bytes = File.ReadAllBytes(path);
        var at = (int)(place * bytes.Length);
        length = Math.Min(length, bytes.Length - at);
        switch (way)
        {
            case Way.Remove:
                File.Delete(path);
                return;
            case Way.Cut:
                bytes = bytes[..at];
                break;
            case Way.Flip:
                for (var i = at; i < Math.Min(at + 1, bytes.Length); i++) bytes[i] ^= (byte)(1 << (length % 8));
                break;
            case Way.Zero:
                bytes.AsSpan(at, length).Clear();
                break;
            default:
                bytes = [.. bytes, .. bytes.AsSpan(at, length)];
                break;
        }

        File.WriteAllBytes(path, bytes);
    }

    private static void Cut(string path, long keep)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write);
        file.SetLength(keep);
    }

    private static string FileOf(string root, string pattern) =>
        Directory.GetFiles(Path.Combine(root, FeatureRecords.Identity), pattern).Order(StringComparer.Ordinal).First();

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private static FeatureStore Open(string root) => FeatureStore.Open(root, FeatureRecords.Identity, FeatureRecords.Schema, s_options);
}
