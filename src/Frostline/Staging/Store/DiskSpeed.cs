using System.Diagnostics;
using Frostline.Native;

namespace Frostline.Staging;

/// <summary>How fast a disk is, in bytes a second.</summary>
/// <param name="Write">Writing one file from beginning to end until it is on the disk.</param>
/// <param name="Read">Reading it from the disk; where the system cannot be told to forget a file (outside Linux), from memory.</param>
public sealed record DiskSpeed(double Write, double Read)
{
    private const int Bytes = 16 << 20;

    /// <summary>Measures with a file of 16 MiB that is removed afterwards; takes some hundredths of a second on a solid-state disk.</summary>
    /// <param name="folder">A folder on the disk; it is made where it is missing.</param>
    /// <exception cref="FeatureStoreException">The folder cannot be written to.</exception>
    public static DiskSpeed Measure(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return StoreFiles.Guard(folder, () =>
        {
            Directory.CreateDirectory(folder);
            var path = Path.Combine(folder, $".speed-{Guid.NewGuid():N}");
            using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
            var buffer = new byte[1 << 20];
            new Random(1).NextBytes(buffer);
            var clock = Stopwatch.StartNew();
            for (var at = 0; at < Bytes; at += buffer.Length) RandomAccess.Write(file, buffer, at);
            RandomAccess.FlushToDisk(file);
            var write = clock.Elapsed.TotalSeconds;
            FileAdvice.DontNeed(file);
            clock.Restart();
            for (var at = 0; at < Bytes; at += buffer.Length) RandomAccess.Read(file, buffer, at);
            return new DiskSpeed(Bytes / write, Bytes / clock.Elapsed.TotalSeconds);
        });
    }
}
