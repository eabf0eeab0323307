using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Frostline.Native;

/// <summary>
/// Reads this process's own memory through the system (<c>/proc/self/mem</c>). An address that is not mapped is an answer here,
/// where a plain read would end the process. About a microsecond a read; Linux only.
/// </summary>
internal sealed class ProcessMemory : IDisposable
{
    private readonly SafeFileHandle _file;

    private ProcessMemory(SafeFileHandle file) => _file = file;

    /// <summary>Opens it, or returns null where the system does not allow that.</summary>
    internal static ProcessMemory? TryOpen()
    {
        try
        {
            return new ProcessMemory(File.OpenHandle("/proc/self/mem", FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Fills <paramref name="into"/> from an address; false where not all of it can be read.</summary>
    internal bool TryRead(nint address, Span<byte> into)
    {
        if (address <= 0) return false;
        try
        {
            return RandomAccess.Read(_file, into, address) == into.Length;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Reads <paramref name="count"/> words of the size of an address; fewer where the memory ends before.</summary>
    internal nint[] Words(nint address, int count)
    {
        var words = new nint[count];
        if (TryRead(address, MemoryMarshal.AsBytes(words.AsSpan()))) return words;
        for (var i = 0; i < count; i++)
            if (!TryRead(address + (i * nint.Size), MemoryMarshal.AsBytes(words.AsSpan(i, 1)))) return words[..i];
        return words;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
