using Frostline.Children;
using Frostline.Staging;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Staging.Store;

public sealed class FeatureStoresTests : IDisposable
{
    private static readonly string s_a = new('a', 32);
    private static readonly string s_b = new('b', 32);
    private static readonly string s_c = new('c', 32);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_root_that_does_not_exist_has_no_stores()
    {
        var root = _folder.PathOf("nothing");
        Assert.Empty(FeatureStores.List(root));
        Assert.Empty(FeatureStores.Verify(root));
        Assert.Empty(FeatureStores.Prune(root, TimeSpan.Zero, 0));
        Assert.False(Directory.Exists(root));
    }

    [Fact]
    public void The_list_says_what_there_is_and_what_is_in_use()
    {
        Make(s_b, records: 3, daysAgo: 2);
        Directory.CreateDirectory(_folder.PathOf("something-else"));
        using var open = Open(s_a, new FeatureStoreOptions { Description = new Dictionary<string, string> { ["network"] = "resnet18" } });
        FeatureRecords.Write(open, 1);
        var (first, second) = FeatureStores.List(_folder.Path) is [var a, var b] ? (a, b) : throw new InvalidOperationException("not two");
        Assert.Equal((s_a, 1L, true, (string?)null), (first.Identity, first.Records, first.InUse, first.Problem));
        Assert.Equal("resnet18", first.Description["network"]);
        Assert.Equal((s_b, 3L, false), (second.Identity, second.Records, second.InUse));
        Assert.Equal(2, (DateTimeOffset.UtcNow - second.LastUsed).TotalDays, 0.01);
        Assert.Equal(Directory.GetFiles(second.Folder).Sum(file => new FileInfo(file).Length), second.Bytes);
        Assert.True(FeatureRecords.Reads(open, 1));
    }

    [Fact]
    public void Verifying_finds_damage_and_drops_it_where_that_is_wanted()
    {
        Make(s_a, records: 5);
        Make(s_b, records: 5);
        var data = Path.Combine(_folder.Path, s_b, "0000.0.data");
        var bytes = File.ReadAllBytes(data);
        bytes[64] ^= 4;
        File.WriteAllBytes(data, bytes);
        // The last entry too.
        var index = Path.Combine(_folder.Path, s_b, "0000.index");
        bytes = File.ReadAllBytes(index);
        bytes[^1] ^= 4;
        File.WriteAllBytes(index, bytes);

        var results = FeatureStores.Verify(_folder.Path);
        Assert.Equal([(5L, 0L, 0L, true), (3L, 2L, 0L, false)], results.Select(r => (r.Records, r.Damaged, r.Dropped, r.IsSound)));
        Assert.Equal(2, FeatureStores.Verify(_folder.Path, drop: true)[1].Dropped);
        results = FeatureStores.Verify(_folder.Path);
        Assert.Equal([(5L, true), (3L, true)], results.Select(r => (r.Records, r.IsSound)));
        using var store = Open(s_b);
        Assert.Equal([true, false, true, true, false], Enumerable.Range(0, 5).Select(i => FeatureRecords.Reads(store, i)));
    }

    [Fact]
    public void Nothing_is_dropped_from_a_shard_that_has_a_writer()
    {
        Make(s_a, records: 2);
        var data = Path.Combine(_folder.Path, s_a, "0000.0.data");
        var bytes = File.ReadAllBytes(data);
        bytes[0] ^= 4;
        File.WriteAllBytes(data, bytes);
        using var store = Open(s_a);
        FeatureRecords.Write(store, 7);
        var result = Assert.Single(FeatureStores.Verify(_folder.Path, drop: true));
        Assert.Equal((2L, 1L, 0L), (result.Records, result.Damaged, result.Dropped));
    }

    [Fact]
    public void A_damaged_manifest_is_a_problem_of_its_store_alone()
    {
        Make(s_a, records: 1);
        Make(s_b, records: 1);
        var manifest = Path.Combine(_folder.Path, s_a, "manifest.json");
        File.WriteAllText(manifest, File.ReadAllText(manifest).Replace("Float16", "Float32", StringComparison.Ordinal));
        Assert.Equal([false, true], FeatureStores.Verify(_folder.Path).Select(result => result.IsSound));
        Assert.Contains("manifest", FeatureStores.List(_folder.Path)[0].Problem, StringComparison.Ordinal);
        // Whoever uses it next knows the schema.
        using (var store = Open(s_a)) Assert.True(FeatureRecords.Reads(store, 0));
        Assert.Null(FeatureStores.List(_folder.Path)[0].Problem);
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        Make(s_a, records: 1);
        File.Delete(Path.Combine(_folder.Path, s_a, "0000.1.data"));
        Assert.Contains("0000.1.data", Assert.Single(FeatureStores.Verify(_folder.Path)).Problem, StringComparison.Ordinal);
        Assert.Equal(1, Assert.Single(FeatureStores.Verify(_folder.Path, drop: true)).Dropped);
        Assert.True(Assert.Single(FeatureStores.Verify(_folder.Path)).IsSound);
    }

    [Fact]
    public void Pruning_by_age_removes_what_was_not_used_for_so_long()
    {
        Make(s_a, records: 1, daysAgo: 31);
        Make(s_b, records: 1, daysAgo: 29);
        Assert.Equal([s_a], FeatureStores.Prune(_folder.Path, TimeSpan.FromDays(30), null).Select(store => store.Identity));
        Assert.Equal([s_b], FeatureStores.List(_folder.Path).Select(store => store.Identity));
        Assert.False(Directory.Exists(Path.Combine(_folder.Path, s_a)));
    }

    [Fact]
    public void Using_a_store_makes_it_young()
    {
        Make(s_a, records: 1, daysAgo: 31);
        using (var store = Open(s_a)) Assert.True(FeatureRecords.Reads(store, 0));
        Assert.Empty(FeatureStores.Prune(_folder.Path, TimeSpan.FromDays(30), null));
    }

    [Fact]
    public void Pruning_by_size_removes_the_least_recently_used_first_and_no_more_than_needed()
    {
        Make(s_a, records: 50, daysAgo: 1);
        Make(s_b, records: 50, daysAgo: 3);
        Make(s_c, records: 50, daysAgo: 2);
        var each = FeatureStores.List(_folder.Path)[0].Bytes;
        Assert.Equal([s_b], FeatureStores.Prune(_folder.Path, null, (2 * each) + 10).Select(store => store.Identity));
        Assert.Empty(FeatureStores.Prune(_folder.Path, null, (2 * each) + 10));
        Assert.Equal([s_c, s_a], FeatureStores.Prune(_folder.Path, null, 0).Select(store => store.Identity));
    }

    [Fact]
    public void A_store_that_is_open_stays()
    {
        Make(s_a, records: 5, daysAgo: 100);
        Make(s_b, records: 5, daysAgo: 100);
        using (var store = Open(s_a))
        {
            File.SetLastWriteTimeUtc(Path.Combine(store.Folder, "in-use.lock"), DateTime.UtcNow.AddDays(-100));
            Assert.Equal([s_b], FeatureStores.Prune(_folder.Path, TimeSpan.FromDays(1), 0).Select(info => info.Identity));
            Assert.True(FeatureRecords.Reads(store, 1));
            Assert.True(FeatureRecords.Write(store, 9));
        }

        Assert.Single(FeatureStores.Prune(_folder.Path, null, 0));
        Assert.Empty(FeatureStores.List(_folder.Path));
    }

    [Fact]
    public void What_an_interrupted_pruning_left_is_deleted_by_the_next_and_other_folders_are_not()
    {
        var left = Directory.CreateDirectory(_folder.PathOf(".removed-1234")).FullName;
        File.WriteAllText(Path.Combine(left, "0000.index"), "");
        var others = new[] { _folder.PathOf("photos"), _folder.PathOf(new string('d', 32)) };
        foreach (var other in others) Directory.CreateDirectory(other);
        FeatureStores.Prune(_folder.Path, TimeSpan.Zero, 0);
        Assert.False(Directory.Exists(left));
        Assert.All(others, other => Assert.True(Directory.Exists(other)));
    }

    [Fact]
    public void Verifying_can_be_cancelled()
    {
        Make(s_a, records: 1);
        Assert.Throws<OperationCanceledException>(() => FeatureStores.Verify(_folder.Path, cancellation: new CancellationToken(true)));
    }

    private void Make(string identity, int records, int daysAgo = 0)
    {
        using (var store = Open(identity))
        {
            for (var i = 0; i < records; i++) FeatureRecords.Write(store, i);
        }

        File.SetLastWriteTimeUtc(Path.Combine(_folder.Path, identity, "in-use.lock"), DateTime.UtcNow.AddDays(-daysAgo));
    }

    private FeatureStore Open(string identity, FeatureStoreOptions? options = null) =>
        FeatureStore.Open(_folder.Path, identity, FeatureRecords.Schema, options);
}
