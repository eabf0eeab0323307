using Frostline.Checkpoints;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

public sealed class ByteSourceTests
{
    private const int Length = 8 << 20;

    [Fact]
    public void What_was_released_can_be_read_again_and_takes_no_memory_meanwhile()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("bytes");
        File.WriteAllBytes(path, [.. Enumerable.Range(0, Length).Select(i => (byte)(i % 251))]);
        using var bytes = ByteSource.Open(path);
        var content = new byte[Length];
        bytes.CopyTo(0, content);
        var read = MappedKilobytes(path);

        bytes.Release(5, Length - 5);

        if (OperatingSystem.IsLinux())
        {
            Assert.Equal(Length / 1024, read);
            Assert.InRange(MappedKilobytes(path), 0, Environment.SystemPageSize / 1024);
        }

        bytes.CopyTo(0, content);
        for (var i = 0; i < Length; i++) Assert.Equal((byte)(i % 251), content[i]);
    }

    /// <summary>How much of a mapped file is held in memory, as the system tells it; 0 where it does not.</summary>
    private static int MappedKilobytes(string path)
    {
        if (!OperatingSystem.IsLinux()) return 0;
        var resident = File.ReadLines("/proc/self/smaps").SkipWhile(line => !line.EndsWith(path, StringComparison.Ordinal))
            .First(line => line.StartsWith("Rss:", StringComparison.Ordinal));
        return int.Parse(resident.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
