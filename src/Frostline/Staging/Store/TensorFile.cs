using System.IO.MemoryMappedFiles;
using Frostline.Native;
using Microsoft.Win32.SafeHandles;

namespace Frostline.Staging;

/// <summary>
/// The records of one tensor in one shard: record <c>s</c> begins at byte <c>s</c> times the stride. Whole segments of about 64 MiB are
/// mapped into memory when they are first read; what lies behind the last whole one is read as a file, so that no mapping ever has
/// to grow and none reaches over the end of the file, where a read would end the process. Reading is safe from many threads.
/// </summary>
internal sealed class TensorFile : IDisposable
{
    /// <summary>About how many bytes are mapped at a time.</summary>
    public const long DefaultSegmentBytes = 64 << 20;

    private readonly Lock _mapping = new();
    private readonly SafeFileHandle _file;
    private readonly int _size;
    private readonly long _stride;
    private readonly long _slotsPerSegment;
    private MemoryMappedViewAccessor?[] _segments = [];
    private long _length;
    private bool _disposed;

    /// <summary>Opens the file for reading.</summary>
    /// <param name="path">The file.</param>
    /// <param name="size">How many bytes a record has.</param>
    /// <param name="segmentBytes">About how many bytes are mapped at a time.</param>
    public TensorFile(string path, int size, long segmentBytes)
    {
        (_size, _stride) = (size, FeatureSchema.Stride(size));
        _slotsPerSegment = Math.Max(1, segmentBytes / _stride);
        _file = StoreFiles.OpenShared(path, FileAccess.Read);
        UpdateLength();
    }

    /// <summary>How many records lie in the file whole.</summary>
    public long WholeSlots => Volatile.Read(ref _length) is var length && length < _size ? 0 : ((length - _size) / _stride) + 1;

    /// <summary>The first slot behind everything that the file holds, half records included.</summary>
    public long FreeSlot => (Volatile.Read(ref _length) + _stride - 1) / _stride;

    /// <summary>Looks how long the file is by now.</summary>
    public void UpdateLength() => Volatile.Write(ref _length, RandomAccess.GetLength(_file));

    /// <summary>Copies a record; false where the file cannot be read or does not reach as far.</summary>
    public bool TryCopy(long slot, Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
        if (slot >= WholeSlots) return false;
        if (Segment(slot / _slotsPerSegment) is { } view)
        {
            CopyMapped(view, slot % _slotsPerSegment * _stride, destination);
            return true;
        }

        try
        {
            return ReadWhole(slot * _stride, destination);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Begins to read some records into the page cache, and does not wait where the system can do that.</summary>
    public void Prefetch(long slot, long count)
    {
        var (offset, bytes) = (slot * _stride, ((count - 1) * _stride) + _size);
        if (FileAdvice.WillNeed(_file, offset, bytes)) return;
        var buffer = new byte[Math.Min(bytes, 1 << 20)];
        for (long at = 0; at < bytes; at += buffer.Length)
            if (RandomAccess.Read(_file, buffer, offset + at) == 0) return;
    }

    public void Dispose()
    {
        lock (_mapping)
        {
            Volatile.Write(ref _disposed, true);
            foreach (var view in _segments) view?.Dispose();
            _file.Dispose();
        }
    }

    private static unsafe void CopyMapped(MemoryMappedViewAccessor view, long offset, Span<byte> destination)
    {
        byte* first = null;
        var handle = view.SafeMemoryMappedViewHandle;
        // The reference that this takes holds the mapping even if the store is closed meanwhile.
        handle.AcquirePointer(ref first);
        try
        {
            new ReadOnlySpan<byte>(first + view.PointerOffset + offset, destination.Length).CopyTo(destination);
        }
        finally
        {
            handle.ReleasePointer();
        }
    }

    private bool ReadWhole(long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            var count = RandomAccess.Read(_file, destination, offset);
            if (count == 0) return false;
            destination = destination[count..];
            offset += count;
        }

        return true;
    }

    /// <summary>The mapping of a segment; null for one that is not whole yet.</summary>
    private MemoryMappedViewAccessor? Segment(long number)
    {
        if ((number + 1) * _slotsPerSegment > WholeSlots) return null;
        var segments = Volatile.Read(ref _segments);
        return number < segments.Length && segments[number] is { } view ? view : Map(number);
    }

    // A process may have only so many mappings (65,530 on Linux); what cannot be mapped is read as a file.
    private MemoryMappedViewAccessor? Map(long number)
    {
        lock (_mapping)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (number >= _segments.Length)
            {
                var longer = new MemoryMappedViewAccessor?[Math.Max(number + 1, _segments.Length * 2)];
                _segments.CopyTo(longer, 0);
                Volatile.Write(ref _segments, longer);
            }

            if (_segments[number] is { } found) return found;
            try
            {
                using var map = MemoryMappedFile.CreateFromFile(
                    _file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
                var bytes = ((_slotsPerSegment - 1) * _stride) + _size;
                return _segments[number] = map.CreateViewAccessor(number * _slotsPerSegment * _stride, bytes, MemoryMappedFileAccess.Read);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }
    }
}
