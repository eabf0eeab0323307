using Frostline.Checkpoints;
using Frostline.Children;
using Frostline.Staging;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Staging.Store;

public sealed class FeatureStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_was_written_is_read_at_once_and_after_opening_again()
    {
        using (var store = Open())
        {
            Assert.False(store.Contains(FeatureRecords.Key(1)));
            Assert.False(FeatureRecords.Reads(store, 1));
            for (var i = 0; i < 20; i++) Assert.True(FeatureRecords.Write(store, i));
            for (var i = 0; i < 20; i++) Assert.True(FeatureRecords.Reads(store, i));
            Assert.Equal((20, 20L, 1L, 0L), (store.Count, store.Hits, store.Misses, store.Dropped));
            store.Flush();
        }

        using var again = Open();
        Assert.Equal(20, again.Count);
        for (var i = 0; i < 20; i++) Assert.True(FeatureRecords.Reads(again, i));
        Assert.True(again.Contains(FeatureRecords.Key(19)));
        Assert.False(again.Contains(FeatureRecords.Key(20)));
    }

    [Fact]
    public void A_record_is_stored_once()
    {
        using var store = Open();
        Assert.True(FeatureRecords.Write(store, 1));
        var bytes = store.Bytes;
        Assert.True(store.Write(FeatureRecords.Key(1), FeatureRecords.Tensors(2)));
        Assert.Equal((1, bytes), (store.Count, store.Bytes));
        Assert.True(FeatureRecords.Reads(store, 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void A_batch_comes_in_the_order_of_its_keys_with_absent_records_left_out(int threads)
    {
        // Segments of 4 KiB, so that most of it is mapped and the end is not.
        using var store = Open(new FeatureStoreOptions { ReadThreads = threads, SegmentBytes = 4096 });
        var even = Enumerable.Range(0, 300).Where(i => i % 2 == 0).ToArray();
        Assert.Equal(150, store.WriteBatch([.. even.Select(FeatureRecords.Key)], FeatureRecords.Tensors(even)));
        int[] asked = [.. Enumerable.Range(0, 300).Select(i => i * 7 % 300)];
        for (var round = 0; round < 2; round++)
        {
            var (room, found) = (FeatureRecords.Room(300), new bool[300]);
            Assert.Equal(150, store.ReadBatch(asked.Select(FeatureRecords.Key).ToArray(), room, found));
            for (var row = 0; row < 300; row++)
            {
                Assert.Equal(asked[row] % 2 == 0, found[row]);
                for (var tensor = 0; tensor < 2; tensor++)
                {
                    var size = room[tensor].Length / 300;
                    var expected = found[row] ? FeatureRecords.Tensors(asked[row])[tensor].ToArray() : new byte[size];
                    Assert.Equal(expected, room[tensor].Slice(row * size, size).ToArray());
                }
            }
        }

        Assert.Equal((300L, 300L), (store.Hits, store.Misses));
    }

    [Fact]
    public void Records_may_be_read_by_many_threads_while_one_writes()
    {
        const int Count = 2000;
        using var store = Open(new FeatureStoreOptions { SegmentBytes = 4096 });
        var written = 0;
        var writer = new Thread(() =>
        {
            for (var i = 0; i < Count; i++)
            {
                FeatureRecords.Write(store, i);
                Volatile.Write(ref written, i + 1);
            }
        });
        writer.Start();
        Parallel.For(0, 4, thread =>
        {
            for (var i = thread; Volatile.Read(ref written) < Count; i += 17)
                if (Volatile.Read(ref written) is var known && known > 0) Assert.True(FeatureRecords.Reads(store, i % known));
        });
        writer.Join();
        for (var i = 0; i < Count; i++) Assert.True(FeatureRecords.Reads(store, i));
        Assert.Equal(0, store.Dropped);
    }

    [Fact]
    public void Prefetching_changes_nothing_and_passes_over_what_is_absent()
    {
        using var store = Open();
        var numbers = Enumerable.Range(0, 100).ToArray();
        store.WriteBatch(FeatureRecords.Keys(100), FeatureRecords.Tensors(numbers));
        store.Prefetch([FeatureRecords.Key(99), FeatureRecords.Key(500), FeatureRecords.Key(0), FeatureRecords.Key(1), FeatureRecords.Key(50)]);
        store.Prefetch([]);
        Assert.Equal((0L, 0L), (store.Hits, store.Misses));
        Assert.All(numbers, i => Assert.True(FeatureRecords.Reads(store, i)));
    }

    [Fact]
    public void What_another_object_writes_is_seen_after_a_refresh()
    {
        using var reader = Open();
        using var writer = Open();
        FeatureRecords.Write(writer, 1);
        Assert.False(FeatureRecords.Reads(reader, 1));
        Assert.Equal(1, reader.Refresh());
        Assert.Equal(0, reader.Refresh());
        Assert.True(FeatureRecords.Reads(reader, 1));
        // The first shard has a writer, so this goes to a second one.
        FeatureRecords.Write(reader, 2);
        Assert.Equal(2, Directory.GetFiles(reader.Folder, "*.index").Length);
        Assert.Equal(1, writer.Refresh());
        Assert.True(FeatureRecords.Reads(writer, 2));
    }

    [Fact]
    public void A_store_with_other_tensors_under_the_same_identity_is_refused()
    {
        Open().Dispose();
        var other = new FeatureSchema(new TensorInfo("stage1", TensorType.Float32, [3, 5]), FeatureRecords.Schema.Tensors[1]);
        var error = Assert.Throws<FeatureStoreException>(() => FeatureStore.Open(_folder.Path, FeatureRecords.Identity, other));
        Assert.Contains("other tensors", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_store_of_a_newer_format_is_refused()
    {
        string path;
        using (var store = Open()) path = Path.Combine(store.Folder, "manifest.json");
        ManifestText.Replace(path, "\"format\": 1", "\"format\": 2");
        var error = Assert.Throws<FeatureStoreException>(() => Open());
        Assert.Contains("format 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_manifest_says_what_the_store_is_of()
    {
        var description = new Dictionary<string, string> { ["network"] = "resnet50", ["engine"] = "libtorch" };
        using (var store = Open(new FeatureStoreOptions { Description = description })) Assert.Equal(description, store.Description);
        using var again = Open();
        Assert.Equal(description, again.Description);
    }

    [Theory]
    [InlineData(TensorType.Int64, 3, "Int64")]
    [InlineData(TensorType.Float32, 0, "shape")]
    [InlineData(TensorType.Float32, 1L << 40, "shape")]
    [InlineData(TensorType.Float32, long.MaxValue, "shape")]
    public void Records_that_cannot_be_stored_are_refused(TensorType type, long size, string expected)
    {
        var error = Assert.Throws<FeatureStoreException>(() => new FeatureSchema(new TensorInfo("a", type, [size, 2])));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Throws<FeatureStoreException>(() => new FeatureSchema());
        var tensor = new TensorInfo("a", TensorType.Float32, [1]);
        Assert.Throws<FeatureStoreException>(() => new FeatureSchema(tensor, tensor));
    }

    [Fact]
    public void Buffers_that_do_not_fit_are_refused()
    {
        using var store = Open();
        var (key, room) = (FeatureRecords.Key(1), FeatureRecords.Room());
        Assert.Throws<ArgumentException>(() => store.TryRead(key, room[0]));
        Assert.Throws<ArgumentException>(() => store.TryRead(key, room[0], room[1][..63]));
        Assert.Throws<ArgumentException>(() => store.ReadBatch(new[] { key, key }, room, new bool[2]));
        Assert.Throws<ArgumentException>(() => store.ReadBatch(new[] { key }, room, Memory<bool>.Empty));
        Assert.Throws<ArgumentException>(() => store.Write(key, room[0]));
        Assert.Throws<ArgumentException>(() => store.WriteBatch([key, key], FeatureRecords.Tensors(1)));
        Assert.Throws<ArgumentException>(() => FeatureStore.Open(_folder.Path, "../somewhere", FeatureRecords.Schema));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_one_error()
    {
        var file = _folder.PathOf("file");
        File.WriteAllText(file, "");
        var error = Assert.Throws<FeatureStoreException>(() => FeatureStore.Open(file, FeatureRecords.Identity, FeatureRecords.Schema));
        Assert.Contains("cannot be used", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Writing_ends_at_the_limit_of_the_root_and_reading_goes_on()
    {
        long one;
        using (var other = FeatureStore.Open(_folder.Path, new string('a', 32), FeatureRecords.Schema))
        {
            FeatureRecords.Write(other, 0);
            one = other.Bytes;
        }

        // What the other store takes counts too.
        using var store = Open(new FeatureStoreOptions { MaximumBytes = (2 * one) + (10 * 192) });
        var written = Enumerable.Range(0, 100).Count(i => FeatureRecords.Write(store, i));
        Assert.InRange(written, 8, 11);
        Assert.Contains("would take more than", store.WritingStopped, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", store.WritingStopped, StringComparison.Ordinal);
        Assert.All(Enumerable.Range(0, written), i => Assert.True(FeatureRecords.Reads(store, i)));
        // What is there already is still a success.
        Assert.True(FeatureRecords.Write(store, 0));
        Assert.Equal(1, store.WriteBatch([FeatureRecords.Key(0), FeatureRecords.Key(99)], FeatureRecords.Tensors([0, 99])));
    }

    [Fact]
    public void Writing_ends_when_the_disk_is_short()
    {
        var free = new Queue<long>([1_001_000, 1_000_040]);
        using var store = Open(new FeatureStoreOptions { MinimumFreeBytes = 1_000_000, FreeBytes = _ => free.Dequeue() });
        var written = Enumerable.Range(0, 100).Count(i => FeatureRecords.Write(store, i));
        Assert.Equal(1000 / 192, written);
        Assert.Contains("free on the disk", store.WritingStopped, StringComparison.Ordinal);
        Assert.True(FeatureRecords.Reads(store, 0));
    }

    [Fact]
    public void Writing_ends_when_the_disk_is_full()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs a file that is always full");
        string data;
        using (var first = Open())
        {
            FeatureRecords.Write(first, 0);
            data = Path.Combine(first.Folder, "0000.1.data");
        }

        File.Delete(data);
        File.CreateSymbolicLink(data, "/dev/full");
        using var store = Open();
        Assert.False(FeatureRecords.Write(store, 1));
        Assert.Contains("nothing more is stored", store.WritingStopped, StringComparison.Ordinal);
        Assert.False(FeatureRecords.Reads(store, 1));
    }

    private FeatureStore Open(FeatureStoreOptions? options = null) =>
        FeatureStore.Open(_folder.Path, FeatureRecords.Identity, FeatureRecords.Schema, options);
}
