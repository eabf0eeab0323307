using Frostline.Testing;
using Xunit;

namespace Frostline.Tests;

public sealed class AtomicFileTests
{
    [Fact]
    public void A_file_is_created_with_its_folder_and_replaced()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("a/b/c.txt");
        AtomicFile.WriteText(path, "first é");
        Assert.Equal("first é"u8.ToArray(), File.ReadAllBytes(path));
        AtomicFile.WriteText(path, "2");
        Assert.Equal("2", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    [Fact]
    public void A_failure_leaves_the_old_content_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("c.txt");
        AtomicFile.WriteText(path, "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.Write("half"u8);
            throw new InvalidOperationException("stop");
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Nothing_is_at_the_target_before_the_content_is_complete()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("c.txt");
        AtomicFile.Write(path, stream =>
        {
            stream.Write("x"u8);
            Assert.False(File.Exists(path));
        });
        Assert.True(File.Exists(path));
    }

    [Fact]
    public void Writers_at_the_same_time_leave_one_whole_file()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("c.txt");
        Parallel.For(0, 16, i => AtomicFile.WriteText(path, new string((char)('a' + i), 100_000)));
        var text = File.ReadAllText(path);
        Assert.Equal(100_000, text.Length);
        Assert.Single(text.Distinct());
        Assert.Single(Directory.GetFiles(folder.Path));
    }
}
