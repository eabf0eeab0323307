using Frostline.Checkpoints;

namespace Frostline.Testing.Checkpoints;

/// <summary>How far a reader came with a damaged file.</summary>
public enum Reached
{
    /// <summary>The file is of no known format, or of another one.</summary>
    Nothing,

    /// <summary>The format was recognised and the file refused.</summary>
    Identified,

    /// <summary>The file was opened; reading its tensors may have failed.</summary>
    Opened,
}

/// <summary>Reads damaged variants of one sample, whatever they hold, and checks what must hold for every file.</summary>
public sealed class DamagedFile : IDisposable
{
    /// <summary>What opening a file of a few kilobytes and reading it may allocate at the most, in bytes.</summary>
    public const long AllocationLimit = 32 << 20;

    private readonly CheckpointSample _sample;
    private readonly TemporaryFolder? _folder;
    private readonly string _path = "memory";

    /// <summary>Prepares the files that lie beside the sample.</summary>
    public DamagedFile(CheckpointSample sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        _sample = sample;
        if (sample.Siblings is null) return;
        _folder = new TemporaryFolder();
        foreach (var (name, bytes) in sample.Siblings) File.WriteAllBytes(_folder.PathOf(name), bytes);
        _path = _folder.PathOf("damaged");
    }

    /// <summary>Opens a file and reads all of it.</summary>
    /// <param name="file">The file's bytes.</param>
    /// <exception cref="InvalidOperationException">The reader allocated more than the limit, or its message has several lines.</exception>
    /// <exception cref="Exception">The reader failed with something other than a <see cref="CheckpointException"/>.</exception>
    public Reached Read(byte[] file)
    {
        if (_folder is not null) File.WriteAllBytes(_path, file);
        var reached = Reached.Nothing;
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var format = _folder is null ? Checkpoint.Identify(file, _path) : Checkpoint.Identify(_path);
            if (format == _sample.Format) reached = Reached.Identified;
            using var checkpoint = _folder is null ? Checkpoint.Open(file, _path) : Checkpoint.Open(_path);
            if (format == _sample.Format) reached = Reached.Opened;
            foreach (var tensor in checkpoint.Tensors) checkpoint.CopyTo(tensor, Stream.Null);
            _ = checkpoint.Values.Count + checkpoint.Keys.Count + checkpoint.Metadata.Count;
        }
        catch (CheckpointException error)
        {
            if (error.Message.AsSpan().ContainsAny('\n', '\r')) throw new InvalidOperationException("the message has several lines", error);
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > AllocationLimit) throw new InvalidOperationException($"{allocated} bytes were allocated for a file of {file.Length}");
        return reached;
    }

    /// <inheritdoc/>
    public void Dispose() => _folder?.Dispose();
}
