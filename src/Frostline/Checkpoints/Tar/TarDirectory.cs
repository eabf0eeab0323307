using System.Buffers.Text;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>A file in a tar archive.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Start">Where its content begins.</param>
/// <param name="Length">The length of its content.</param>
internal sealed record TarMember(string Name, long Start, long Length);

/// <summary>
/// The members of a tar archive (POSIX.1-2001, "ustar" and "pax"), found by walking its headers without touching the content.
/// System.Formats.Tar reads streams only, and copies what it reads. Every header is checked against its checksum; links, sparse
/// files and GNU's long names, which PyTorch never wrote, are refused.
/// </summary>
internal static class TarDirectory
{
    private const int Block = 512;
    private const int LongestPax = 1 << 16;

    /// <summary>Whether a file begins with the header of a tar archive.</summary>
    public static bool Matches(ByteSource bytes)
    {
        if (bytes.Length < 2 * Block) return false;
        using var lease = bytes.Lease();
        var header = lease.Slice(0, Block);
        return header[0] != 0 && IsHeader(header);
    }

    /// <summary>Reads all headers.</summary>
    /// <exception cref="CheckpointException">The archive is damaged, or has what is refused.</exception>
    public static Dictionary<string, TarMember> Read(ByteSource bytes) => Read(bytes, int.MaxValue);

    /// <summary>Reads the headers up to the first plain file's.</summary>
    /// <returns>Its name; null where there is none.</returns>
    /// <exception cref="CheckpointException">The archive is damaged, or has what is refused.</exception>
    public static string? FirstName(ByteSource bytes) => Read(bytes, 1).Keys.FirstOrDefault();

    private static Dictionary<string, TarMember> Read(ByteSource bytes, int most)
    {
        var members = new Dictionary<string, TarMember>(StringComparer.Ordinal);
        using var lease = bytes.Lease();
        (string? Name, long? Length) pax = default;
        for (long at = 0; at < bytes.Length && members.Count < most;)
        {
            var header = lease.Slice(at, Block);
            // Two empty blocks end an archive; Python stops at the first.
            if (!header.ContainsAnyExcept((byte)0)) break;
            if (!IsHeader(header)) throw bytes.Error($"is damaged: the tar header at byte {at} does not have its checksum");
            var kind = (char)header[156];
            var length = kind is 'x' or 'g' ? null : pax.Length;
            var size = length ?? Number(header.Slice(124, 12)) ?? throw bytes.Error($"is damaged: the tar header at byte {at} has no size");
            if (size < 0 || size > bytes.Length - at - Block)
                throw bytes.Error($"is cut short: the tar member at byte {at} claims {size} bytes, but the file has {bytes.Length}; copy or download it again");
            var start = at + Block;
            if (kind is 'x') pax = ReadPax(bytes, lease, start, size);
            else if (kind is not 'g')
            {
                Add(bytes, members, new TarMember(pax.Name ?? NameOf(header), start, size), kind);
                pax = default;
            }

            at = start + ((size + Block - 1) / Block * Block);
        }

        return members;
    }

    private static void Add(ByteSource bytes, Dictionary<string, TarMember> members, TarMember member, char kind)
    {
        // Folders may stand there; whatever else is not a plain file has no content of its own.
        if (kind == '5') return;
        if (kind is not ('0' or '\0' or '7')) throw bytes.Error($"refused: the tar member at byte {member.Start - Block} is no plain file");
        if (members.Count == CheckpointLimits.TarMembers) throw bytes.Error($"has more than {CheckpointLimits.TarMembers} tar members, the limit");
        if (!members.TryAdd(member.Name, member)) throw bytes.Error($"the tar archive has two members of one name at byte {member.Start - Block}");
    }

    /// <summary>The sum of a header's bytes, its own field taken as spaces; old writers summed signed bytes.</summary>
    private static bool IsHeader(ReadOnlySpan<byte> header)
    {
        int plain = 8 * ' ', signed = 8 * ' ';
        for (var i = 0; i < Block; i++)
        {
            if (i is >= 148 and < 156) continue;
            plain += header[i];
            signed += (sbyte)header[i];
        }

        return Number(header.Slice(148, 8)) is { } sum && (sum == plain || sum == signed);
    }

    /// <summary>Octal digits, or for large numbers a set upper bit and 88 bits of binary.</summary>
    private static long? Number(ReadOnlySpan<byte> field)
    {
        if (field[0] == 0x80)
        {
            long binary = 0;
            // Checksums are never that large, and their field is shorter.
            if (field.Length <= 8 || field[1..^8].ContainsAnyExcept((byte)0)) return null;
            foreach (var b in field[^8..]) binary = (binary << 8) | b;
            return binary;
        }

        long? value = null;
        foreach (var b in field)
        {
            if (b is >= (byte)'0' and <= (byte)'7') value = ((value ?? 0) * 8) + b - '0';
            else if (b is not ((byte)' ' or 0)) return null;
            else if (value is not null) break;
        }

        return value;
    }

    private static string NameOf(ReadOnlySpan<byte> header)
    {
        var name = Text(header[..100]);
        var prefix = header.Slice(257, 5).SequenceEqual("ustar"u8) && header[262] == 0 ? Text(header.Slice(345, 155)) : "";
        return prefix.Length > 0 ? $"{prefix}/{name}" : name;
    }

    private static string Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    /// <summary>Records <c>LENGTH KEY=VALUE\n</c>, of which name and size of the next member count here.</summary>
    private static (string? Name, long? Length) ReadPax(ByteSource bytes, in ByteLease lease, long start, long size)
    {
        CheckpointException Damaged() => bytes.Error($"is damaged: the pax records at byte {start} break the rules");
        if (size > LongestPax) throw bytes.Error($"has pax records of {size} bytes at byte {start}; the limit is {LongestPax}");
        (string? Name, long? Length) found = default;
        for (var rest = lease.Slice(start, (int)size); rest.Length > 0;)
        {
            if (!Utf8Parser.TryParse(rest, out int length, out var digits) || length <= digits + 1 || length > rest.Length
                || rest[digits] != ' ' || rest[length - 1] != '\n') throw Damaged();
            var record = rest[(digits + 1)..(length - 1)];
            if (record.StartsWith("path="u8)) found.Name = Encoding.UTF8.GetString(record[5..]);
            if (record.StartsWith("size="u8))
            {
                if (!Utf8Parser.TryParse(record[5..], out long value, out var used) || used != record.Length - 5) throw Damaged();
                found.Length = value;
            }

            if (record.StartsWith("GNU.sparse"u8)) throw bytes.Error($"refused: the tar member after byte {start} is sparse");
            rest = rest[length..];
        }

        return found;
    }
}
