using System.IO.MemoryMappedFiles;
using Frostline.Native;

namespace Frostline.Checkpoints;

/// <summary>The bytes of a checkpoint: bounds-checked reads at any offset, without a position, from any thread.</summary>
internal abstract class ByteSource : IDisposable
{
    protected ByteSource(string name, long length, string? folder = null)
    {
        Name = name;
        Length = length;
        Folder = folder;
    }

    /// <summary>The name for messages: the path as the user gave it.</summary>
    public string Name { get; }

    public long Length { get; }

    /// <summary>The folder of the file, as its path was given; null for what is in memory or in a stream.</summary>
    public string? Folder { get; }

    /// <summary>Maps a file into memory; only the pages that are read are ever loaded.</summary>
    /// <exception cref="CheckpointException">The file is missing or cannot be opened.</exception>
    public static ByteSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path)) throw new CheckpointException($"{path}: is a folder; give the checkpoint file in it");
        if (!File.Exists(path))
        {
            var folder = Path.GetDirectoryName(Path.GetFullPath(path));
            var siblings = Directory.Exists(folder) ? Directory.EnumerateFiles(folder).Select(f => Path.GetFileName(f)) : [];
            throw new CheckpointException($"{path}: no such file{NearestNames.Hint(Path.GetFileName(path), siblings)}");
        }

        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            // An empty file cannot be mapped.
            if (file.Length > 0) return new MappedBytes(path, file);
            file.Dispose();
            return new ArrayBytes(path, [], FolderOf(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException($"{path}: cannot be opened ({e.Message})", e);
        }
    }

    /// <summary>Keeps the bytes in place while they are read; dispose it soon.</summary>
    public abstract ByteLease Lease();

    /// <summary>Fetches the beginning of the file in the background, because all of it will be read soon.</summary>
    public virtual void Prefetch()
    {
    }

    /// <summary>Lets go of memory that holds a part of the file, which will not be read again soon; reading it stays possible.</summary>
    public virtual void Release(long offset, long count)
    {
    }

    /// <summary>Copies bytes from <paramref name="offset"/> on.</summary>
    /// <exception cref="CheckpointException">The range does not lie in the file.</exception>
    public void CopyTo(long offset, Span<byte> destination)
    {
        using var lease = Lease();
        lease.Slice(offset, destination.Length).CopyTo(destination);
    }

    /// <summary>The error of this file, in one line: names that the file brings may hold line breaks.</summary>
    public CheckpointException Error(string what, Exception? inner = null) => new($"{Name}: {what.ReplaceLineEndings(" ")}", inner);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);

    // Links are not followed: what lies beside the file lies beside the link.
    private static string FolderOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path))!;

    private sealed class MappedBytes : ByteSource
    {
        // A larger file might displace what has been fetched of it.
        private const long MostPrefetched = 1 << 30;

        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;

        public MappedBytes(string name, FileStream file)
            : base(name, file.Length, FolderOf(name))
        {
            _file = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            _view = _file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        }

        public override unsafe ByteLease Lease()
        {
            // The reference that this takes holds the mapping even if the checkpoint is disposed or collected meanwhile.
            byte* first = null;
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref first);
            return new ByteLease(Name, ref *(first + _view.PointerOffset), Length, _view.SafeMemoryMappedViewHandle);
        }

        // Nobody waits for it, and nothing is lost where it does not come to an end.
        public override void Prefetch() => _ = Task.Run(Populate);

        private unsafe void Populate()
        {
            using var lease = Lease();
            fixed (byte* first = lease.Slice(0, 1)) MappedPages.Populate((nint)first, Math.Min(Length, MostPrefetched));
        }

        public override unsafe void Release(long offset, long count)
        {
            using var lease = Lease();
            if (count <= 0) return;
            fixed (byte* first = lease.Slice(offset, 1)) MappedPages.Release((nint)first, Math.Min(count, Length - offset));
        }

        protected override void Dispose(bool disposing)
        {
            if (!disposing) return;
            _view.Dispose();
            _file.Dispose();
        }
    }
}

/// <summary>A checkpoint's bytes in managed memory.</summary>
internal sealed class ArrayBytes : ByteSource
{
    private readonly byte[] _bytes;

    public ArrayBytes(string name, byte[] bytes, string? folder = null)
        : base(name, bytes.Length, folder) => _bytes = bytes;

    public override ByteLease Lease() =>
        new(Name, ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(_bytes), Length, handle: null);

    protected override void Dispose(bool disposing)
    {
    }
}
