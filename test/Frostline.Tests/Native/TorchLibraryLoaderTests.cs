using System.Security.Cryptography;
using Frostline.Native;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Native;

public sealed class TorchLibraryLoaderTests
{
    private static readonly byte[] s_library = ElfFile.Build(
        [("libstdc++.so.6", ["GLIBCXX_3.4.32"])], ("_ZSt21ios_base_library_initv", "GLIBCXX_3.4.32"));

    [Fact]
    public void The_copy_lies_in_the_cache_under_the_originals_hash_and_the_original_stays_as_it_was()
    {
        using var folder = new TemporaryFolder();
        var original = folder.PathOf("libLibTorchSharp.so");
        File.WriteAllBytes(original, s_library);
        File.SetAttributes(original, FileAttributes.ReadOnly);

        var copy = TorchLibraryLoader.PatchedCopy(original, folder.PathOf("cache"));
        Assert.Equal(folder.PathOf($"cache/{Convert.ToHexStringLower(SHA256.HashData(s_library))}/libLibTorchSharp.so"), copy);
        Assert.Equal(s_library, File.ReadAllBytes(original));
        Assert.Equal(1, File.ReadAllBytes(copy).Zip(s_library).Count(pair => pair.First != pair.Second));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(copy)!));
    }

    [Fact]
    public void The_copy_is_made_once_and_again_where_it_is_damaged()
    {
        using var folder = new TemporaryFolder();
        var original = folder.PathOf("libLibTorchSharp.so");
        File.WriteAllBytes(original, s_library);
        var copy = TorchLibraryLoader.PatchedCopy(original, folder.PathOf("cache"));
        var patched = File.ReadAllBytes(copy);
        var old = new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(copy, old);
        Assert.Equal(copy, TorchLibraryLoader.PatchedCopy(original, folder.PathOf("cache")));
        Assert.Equal(old, File.GetLastWriteTimeUtc(copy));

        File.WriteAllText(copy, "half");
        Assert.Equal(copy, TorchLibraryLoader.PatchedCopy(original, folder.PathOf("cache")));
        Assert.Equal(patched, File.ReadAllBytes(copy));
    }

    [Fact]
    public void Processes_that_start_together_agree_on_one_copy()
    {
        using var folder = new TemporaryFolder();
        var original = folder.PathOf("libLibTorchSharp.so");
        File.WriteAllBytes(original, s_library);
        var copies = new string[8];
        Parallel.For(0, copies.Length, i => copies[i] = TorchLibraryLoader.PatchedCopy(original, folder.PathOf("cache")));
        Assert.Single(copies.Distinct());
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(copies[0])!));
    }

    [Fact]
    public void A_library_that_needs_no_patch_is_used_where_it_lies()
    {
        using var folder = new TemporaryFolder();
        var original = folder.PathOf("lib.so");
        File.WriteAllBytes(original, ElfFile.Build([("libc.so.6", ["GLIBC_2.4"])]));
        Assert.Equal(original, TorchLibraryLoader.PatchedCopy(original, folder.PathOf("cache")));
        Assert.False(Directory.Exists(folder.PathOf("cache")));
    }

    [Theory]
    [InlineData("/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by libLibTorchSharp.so)", "GLIBCXX_3.4.32", "libstdc++6")]
    [InlineData("/lib/libc.so.6: version `GLIBC_2.38' not found", "GLIBC_2.38", "glibc")]
    [InlineData("libtorch.so: cannot open shared object file:\nNo such file", "No such file", "libtorch-cpu-")]
    [InlineData("version `", "", "")]
    public void A_failure_is_told_in_one_line_with_its_remedy(string loader, string missing, string remedy)
    {
        var message = TorchLibraryLoader.Explain(loader);
        Assert.Contains("LibTorchSharp", message, StringComparison.Ordinal);
        Assert.Contains(missing, message, StringComparison.Ordinal);
        Assert.Contains(remedy, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }
}
