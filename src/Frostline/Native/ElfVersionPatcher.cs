using System.Buffers.Binary;
using System.Text;

namespace Frostline.Native;

/// <summary>
/// Makes a required symbol version of a 64-bit little-endian ELF library weak, so that the dynamic loader accepts a system
/// library that lacks the version. The tables are those of the Linux Standard Base, "Symbol Versioning": section type
/// <c>SHT_GNU_verneed</c> holds one <c>Verneed</c> a library, each with a list of <c>Vernaux</c> whose flag
/// <c>VER_FLG_WEAK</c> turns a missing version from an error into nothing.
/// </summary>
internal static class ElfVersionPatcher
{
    private const uint SectionDynamicSymbols = 11;
    private const uint SectionVersionNeeds = 0x6ffffffe;
    private const uint SectionVersionSymbols = 0x6fffffff;
    private const ushort FlagWeak = 0x2;
    private const ushort VersionIndexMask = 0x7fff;

    /// <summary>Sets the weak flag on one required version, in place.</summary>
    /// <param name="elf">The bytes of the library.</param>
    /// <param name="version">The version, for example <c>GLIBCXX_3.4.32</c>.</param>
    /// <param name="harmless">
    /// The symbols of that version which nothing calls. Where the library asks for any other symbol of the version, it is
    /// left as it is: a weak version would only move the failure to the first call.
    /// </param>
    /// <returns>True where an entry was changed or already weak; false where the library does not ask for the version.</returns>
    /// <exception cref="InvalidDataException">Not such an ELF file, damaged, or another symbol needs the version.</exception>
    public static bool WeakenVersion(Span<byte> elf, string version, IReadOnlySet<string> harmless)
    {
        try
        {
            return Weaken(elf, version, harmless);
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or IndexOutOfRangeException or OverflowException)
        {
            throw new InvalidDataException("The ELF file is damaged: a table points outside the file.", e);
        }
    }

    private static bool Weaken(Span<byte> elf, string version, IReadOnlySet<string> harmless)
    {
        var sections = ReadSections(elf);
        var needs = sections.FirstOrDefault(s => s.Type == SectionVersionNeeds);
        if (needs.Type == 0) return false;

        var names = sections[checked((int)needs.Link)];
        var changed = false;
        foreach (var entry in VersionEntries(elf, needs))
        {
            if (ReadString(elf, names, U32(elf, entry + 8)) != version) continue;
            RequireHarmless(elf, sections, (ushort)(U16(elf, entry + 6) & VersionIndexMask), version, harmless);
            BinaryPrimitives.WriteUInt16LittleEndian(elf[(entry + 4)..], (ushort)(U16(elf, entry + 4) | FlagWeak));
            changed = true;
        }

        return changed;
    }

    private static List<Section> ReadSections(ReadOnlySpan<byte> elf)
    {
        if (elf.Length < 64 || U32(elf, 0) != 0x464c457f || elf[4] != 2 || elf[5] != 1)
            throw new InvalidDataException("Not a 64-bit little-endian ELF file.");
        var table = checked((int)U64(elf, 40));
        var size = U16(elf, 58);
        var count = U16(elf, 60);
        if (size < 64) throw new InvalidDataException("The ELF file is damaged: its section headers are too small.");
        var sections = new List<Section>(count);
        for (var i = 0; i < count; i++)
        {
            var at = checked(table + (i * size));
            sections.Add(new Section(U32(elf, at + 4), checked((int)U64(elf, at + 24)), checked((int)U64(elf, at + 32)), U32(elf, at + 40)));
        }

        return sections;
    }

    /// <summary>Offsets of all Vernaux entries. The chains move forward only, so a damaged file cannot make this loop.</summary>
    private static List<int> VersionEntries(ReadOnlySpan<byte> elf, Section needs)
    {
        var entries = new List<int>();
        var end = checked(needs.Offset + needs.Size);
        for (var need = needs.Offset; need < end;)
        {
            var count = U16(elf, need + 2);
            var entry = checked(need + (int)U32(elf, need + 8));
            for (var i = 0; i < count && entry < end; i++)
            {
                entries.Add(entry);
                var step = checked((int)U32(elf, entry + 12));
                if (step == 0) break;
                entry = checked(entry + step);
            }

            var next = checked((int)U32(elf, need + 12));
            if (next == 0) break;
            need = checked(need + next);
        }

        return entries;
    }

    private static void RequireHarmless(
        ReadOnlySpan<byte> elf, List<Section> sections, ushort index, string version, IReadOnlySet<string> harmless)
    {
        var symbols = sections.FirstOrDefault(s => s.Type == SectionDynamicSymbols);
        var versions = sections.FirstOrDefault(s => s.Type == SectionVersionSymbols);
        if (symbols.Type == 0 || versions.Type == 0) return;
        var names = sections[checked((int)symbols.Link)];
        for (var i = 0; i < versions.Size / 2; i++)
        {
            if ((U16(elf, versions.Offset + (i * 2)) & VersionIndexMask) != index) continue;
            var name = ReadString(elf, names, U32(elf, symbols.Offset + (i * 24)));
            if (!harmless.Contains(name))
                throw new InvalidDataException($"The library needs {name} of version {version}, which cannot be left out.");
        }
    }

    private static string ReadString(ReadOnlySpan<byte> elf, Section table, uint offset)
    {
        if (offset >= table.Size) throw new InvalidDataException("The ELF file is damaged: a name lies outside its table.");
        var text = elf.Slice(checked(table.Offset + (int)offset), table.Size - (int)offset);
        var end = text.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? text : text[..end]);
    }

    private static ushort U16(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt16LittleEndian(elf[at..]);

    private static uint U32(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt32LittleEndian(elf[at..]);

    private static ulong U64(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt64LittleEndian(elf[at..]);

    private readonly record struct Section(uint Type, int Offset, int Size, uint Link);
}
