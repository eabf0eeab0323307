using Frostline.Native;
using Xunit;

namespace Frostline.Tests.Native;

public sealed class ElfVersionPatcherTests
{
    private const string Version = "GLIBCXX_3.4.32";
    private static readonly HashSet<string> s_harmless = new(StringComparer.Ordinal) { "init" };

    private static byte[] Library => ElfFile.Build(
        [("libc.so.6", ["GLIBC_2.4", "GLIBC_2.17"]), ("libstdc++.so.6", ["GLIBCXX_3.4", Version, "CXXABI_1.3"])],
        ("printf", "GLIBC_2.17"), ("init", Version), ("new", "GLIBCXX_3.4"), ("own", null));

    [Fact]
    public void The_one_version_becomes_weak_and_nothing_else_changes()
    {
        var (before, after) = (Library, Library);
        Assert.True(ElfVersionPatcher.WeakenVersion(after, Version, s_harmless));
        var changed = Enumerable.Range(0, before.Length).Where(i => before[i] != after[i]).ToArray();
        Assert.Equal(before[Assert.Single(changed)] | 2, after[changed[0]]);
        // Two bytes before the version's number, 3rd of libstdc++'s, lies its flag.
        Assert.Equal(5, after[changed[0] + 2]);
    }

    [Fact]
    public void Patching_twice_is_patching_once()
    {
        var once = Library;
        ElfVersionPatcher.WeakenVersion(once, Version, s_harmless);
        var twice = (byte[])once.Clone();
        Assert.True(ElfVersionPatcher.WeakenVersion(twice, Version, s_harmless));
        Assert.Equal(once, twice);
    }

    [Fact]
    public void A_library_that_does_not_ask_for_the_version_is_left_alone()
    {
        var bytes = ElfFile.Build([("libc.so.6", ["GLIBC_2.4"])], ("printf", "GLIBC_2.4"));
        var before = (byte[])bytes.Clone();
        Assert.False(ElfVersionPatcher.WeakenVersion(bytes, Version, s_harmless));
        Assert.Equal(before, bytes);
    }

    [Fact]
    public void A_library_that_calls_something_of_the_version_is_refused_and_left_alone()
    {
        var bytes = ElfFile.Build([("libstdc++.so.6", [Version])], ("init", Version), ("needed", Version));
        var before = (byte[])bytes.Clone();
        var error = Assert.Throws<InvalidDataException>(() => ElfVersionPatcher.WeakenVersion(bytes, Version, s_harmless));
        Assert.Contains("needed", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, bytes);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(4, 1)]
    [InlineData(5, 2)]
    public void Other_files_are_refused(int at, byte value)
    {
        var bytes = Library;
        bytes[at] = value;
        Assert.Contains("64-bit", Assert.Throws<InvalidDataException>(() => ElfVersionPatcher.WeakenVersion(bytes, Version, s_harmless)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_files_give_an_error_and_nothing_else()
    {
        var random = new CounterRandom(4, "elf");
        var library = Library;
        for (var length = 0; length < library.Length; length++) Try(library[..length]);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = (byte[])library.Clone();
            for (var change = random.NextInt32(3); change >= 0; change--) bytes[random.NextInt32(bytes.Length)] = (byte)random.NextInt32(256);
            Try(bytes);
        }
    }

    private static void Try(byte[] bytes)
    {
        try
        {
            ElfVersionPatcher.WeakenVersion(bytes, Version, s_harmless);
        }
        catch (InvalidDataException e)
        {
            Assert.NotEmpty(e.Message);
        }
    }
}
