using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Frostline.Checkpoints;

/// <summary>The bytes of a <see cref="ByteSource"/> while they are held in place.</summary>
internal readonly ref struct ByteLease : IDisposable
{
    private readonly ref byte _first;
    private readonly string _name;
    private readonly SafeBuffer? _handle;
    private readonly StreamBytes? _stream;

    public ByteLease(string name, ref byte first, long length, SafeBuffer? handle)
    {
        _name = name;
        _first = ref first;
        Length = length;
        _handle = handle;
    }

    public ByteLease(StreamBytes stream)
    {
        _name = stream.Name;
        _first = ref Unsafe.NullRef<byte>();
        _stream = stream;
        Length = stream.Length;
    }

    public long Length { get; }

    /// <summary>A part of the file.</summary>
    /// <exception cref="CheckpointException">The range does not lie in the file.</exception>
    public ReadOnlySpan<byte> Slice(long offset, int count)
    {
        if (offset < 0 || count < 0 || offset > Length || count > Length - offset)
        {
            throw new CheckpointException(
                $"{_name}: is cut short: {count} bytes are needed at byte {offset}, but the file has {Length}; copy or download it again");
        }

        if (_stream is not null) return _stream.Slice(offset, count);
        return MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref _first, checked((nint)offset)), count);
    }

    public void Dispose() => _handle?.ReleasePointer();
}
