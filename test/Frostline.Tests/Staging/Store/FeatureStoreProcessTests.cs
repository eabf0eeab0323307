using System.Diagnostics;
using System.Globalization;
using Frostline.Children;
using Frostline.Staging;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Staging.Store;

/// <summary>Several processes on one store, one of which is killed.</summary>
public sealed class FeatureStoreProcessTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Two_writers_have_a_shard_each_and_a_reader_sees_whole_records_of_both()
    {
        // Each waits when nobody takes what it says any longer, so that none has finished before both are at work.
        using var first = Write(from: 0, count: 20_000);
        using var second = Write(from: 10_000, count: 20_000);
        var cancellation = TestContext.Current.CancellationToken;
        Task<string>[] said = [first.StandardOutput.ReadToEndAsync(cancellation), second.StandardOutput.ReadToEndAsync(cancellation)];
        using var reader = FeatureStore.Open(_folder.Path, FeatureRecords.Identity, FeatureRecords.Schema);
        while (!first.HasExited || !second.HasExited)
        {
            // Reads throws where a record has other bytes than were written.
            reader.Refresh();
            for (var i = 0; i < 30_000; i += 97)
                if (reader.Contains(FeatureRecords.Key(i))) Assert.True(FeatureRecords.Reads(reader, i));
        }

        Assert.All(said, text => Assert.NotEmpty(text.GetAwaiter().GetResult()));
        Assert.Equal((0, 0), (first.ExitCode, second.ExitCode));
        reader.Refresh();
        Assert.Equal((30_000, 0L), (reader.Count, reader.Dropped));
        Assert.All(Enumerable.Range(0, 30_000), i => Assert.True(FeatureRecords.Reads(reader, i)));
        Assert.Equal(2, Directory.GetFiles(reader.Folder, "*.index").Length);
        Assert.True(Assert.Single(FeatureStores.Verify(_folder.Path)).IsSound);
    }

    [Fact]
    public void A_killed_writer_loses_nothing_that_it_had_written_and_another_goes_on_with_its_shard()
    {
        var known = 0;
        for (var round = 0; round < 3; round++)
        {
            using (var child = Write(from: known, count: int.MaxValue / 2))
            {
                // It says each number after that record was written.
                var target = known + 200 + (round * 57);
                while (known < target)
                    known = int.Parse(child.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture) + 1;
                Assert.Empty(FeatureStores.Prune(_folder.Path, TimeSpan.Zero, 0));
                child.Kill();
                child.WaitForExit();
                while (child.StandardOutput.ReadLine() is { Length: > 0 } line && int.TryParse(line, CultureInfo.InvariantCulture, out var last))
                    if (last == known) known++;
            }

            using var store = FeatureStore.Open(_folder.Path, FeatureRecords.Identity, FeatureRecords.Schema);
            Assert.All(Enumerable.Range(0, known), i => Assert.True(FeatureRecords.Reads(store, i)));
            Assert.InRange(store.Count, known, known + 1);
            Assert.Equal(0, store.Dropped);
        }

        Assert.Single(Directory.GetFiles(Path.Combine(_folder.Path, FeatureRecords.Identity), "*.index"));
        Assert.Single(FeatureStores.Prune(_folder.Path, TimeSpan.Zero, null));
    }

    private Process Write(int from, int count)
    {
        var child = ChildProcess.Start(
            ChildProcess.Program, "store-write", _folder.Path, from.ToString(CultureInfo.InvariantCulture), count.ToString(CultureInfo.InvariantCulture));
        // It is at work before the test goes on: it says each number after that record was written.
        Assert.Equal(from.ToString(CultureInfo.InvariantCulture), child.StandardOutput.ReadLine());
        return child;
    }
}
