using System.Buffers.Binary;
using System.Text;

namespace Frostline.Tests.Native;

/// <summary>The least of a shared library: section headers, dynamic symbols, and the versions that they need.</summary>
internal static class ElfFile
{
    /// <summary>Builds one.</summary>
    /// <param name="libraries">Each library with the versions that are needed of it; version numbers count from 2.</param>
    /// <param name="symbols">Each dynamic symbol with the version that it needs, or null.</param>
    public static byte[] Build((string Library, string[] Versions)[] libraries, params (string Name, string? Version)[] symbols)
    {
        var names = new Names();
        var numbers = libraries.SelectMany(l => l.Versions).Select((v, i) => (v, i)).ToDictionary(p => p.v, p => (ushort)(p.i + 2), StringComparer.Ordinal);

        using var needs = new MemoryStream();
        for (var l = 0; l < libraries.Length; l++)
        {
            var (library, versions) = libraries[l];
            var last = l == libraries.Length - 1;
            Write(needs, 1, 2);
            Write(needs, versions.Length, 2);
            Write(needs, names.Add(library), 4);
            Write(needs, 16, 4);
            Write(needs, last ? 0 : 16 + (16 * versions.Length), 4);
            for (var v = 0; v < versions.Length; v++)
            {
                Write(needs, 0x1234567, 4);
                Write(needs, 0, 2);
                Write(needs, numbers[versions[v]], 2);
                Write(needs, names.Add(versions[v]), 4);
                Write(needs, v == versions.Length - 1 ? 0 : 16, 4);
            }
        }

        using var table = new MemoryStream();
        using var versionOf = new MemoryStream();
        foreach (var (name, version) in symbols.Prepend(("", null)))
        {
            Write(table, names.Add(name), 4);
            table.Write(new byte[20]);
            // The hidden bit, which is no part of the number.
            Write(versionOf, version is null ? 1 : numbers[version] | 0x8000, 2);
        }

        return Assemble([(3, names.ToArray(), 0), (11, table.ToArray(), 1), (0x6fffffff, versionOf.ToArray(), 2), (0x6ffffffe, needs.ToArray(), 1)]);
    }

    private static byte[] Assemble((long Type, byte[] Content, int Link)[] sections)
    {
        using var file = new MemoryStream();
        file.Write([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, .. new byte[9]]);
        file.Write(new byte[48]);
        var offsets = new List<long>();
        foreach (var (_, content, _) in sections)
        {
            offsets.Add(file.Position);
            file.Write(content);
        }

        var headers = file.Position;
        file.Write(new byte[64]);
        for (var i = 0; i < sections.Length; i++)
        {
            Write(file, 0, 4);
            Write(file, sections[i].Type, 4);
            Write(file, 0, 8);
            Write(file, 0, 8);
            Write(file, offsets[i], 8);
            Write(file, sections[i].Content.Length, 8);
            Write(file, sections[i].Link, 4);
            file.Write(new byte[20]);
        }

        var bytes = file.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(40), headers);
        BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(58), 64);
        BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(60), (short)(sections.Length + 1));
        return bytes;
    }

    private static void Write(MemoryStream stream, long value, int size)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        stream.Write(bytes[..size]);
    }

    private sealed class Names
    {
        private readonly List<byte> _bytes = [0];

        public int Add(string name)
        {
            if (name.Length == 0) return 0;
            var at = _bytes.Count;
            _bytes.AddRange(Encoding.UTF8.GetBytes(name));
            _bytes.Add(0);
            return at;
        }

        public byte[] ToArray() => [.. _bytes];
    }
}
