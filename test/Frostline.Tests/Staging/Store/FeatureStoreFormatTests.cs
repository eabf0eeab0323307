using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Frostline.Children;
using Frostline.Staging;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Staging.Store;

/// <summary>Reads a store's files by docs/feature-store.md alone, with nothing of the library.</summary>
public sealed class FeatureStoreFormatTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Store => Path.Combine(_folder.Path, FeatureRecords.Identity);

    public FeatureStoreFormatTests()
    {
        using var store = FeatureStore.Open(_folder.Path, FeatureRecords.Identity, FeatureRecords.Schema);
        for (var i = 0; i < 3; i++) FeatureRecords.Write(store, i);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Data_lies_at_multiples_of_the_stride()
    {
        var (first, second) = (File.ReadAllBytes(Path.Combine(Store, "0000.0.data")), File.ReadAllBytes(Path.Combine(Store, "0000.1.data")));
        Assert.Equal(((2 * 64) + 30, 3 * 64), (first.Length, second.Length));
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(FeatureRecords.Tensors(i)[0].ToArray(), first[(i * 64)..((i * 64) + 30)]);
            Assert.Equal(FeatureRecords.Tensors(i)[1].ToArray(), second[(i * 64)..((i * 64) + 64)]);
        }
    }

    [Fact]
    public void Entries_are_as_documented()
    {
        var seedText = $"{FeatureRecords.Identity}\nFloat16 3,5 stage1\nFloat32 16 stage2\n";
        var seed = BinaryPrimitives.ReadInt64LittleEndian(XxHash128.Hash(Encoding.UTF8.GetBytes(seedText)));
        var index = File.ReadAllBytes(Path.Combine(Store, "0000.index"));
        Assert.Equal(3 * 64, index.Length);
        for (var i = 0; i < 3; i++)
        {
            var entry = index.AsSpan(i * 64, 64);
            var tensors = FeatureRecords.Tensors(i);
            byte[] record = [.. tensors[0].Span, .. tensors[1].Span];
            Assert.Equal(Convert.FromHexString(FeatureRecords.Key(i).ToString()), entry[..16].ToArray());
            Assert.Equal(i, BinaryPrimitives.ReadInt64LittleEndian(entry[16..]));
            Assert.Equal(XxHash128.Hash(record), entry[24..40].ToArray());
            Assert.Equal(new byte[16], entry[40..56].ToArray());
            Assert.Equal(XxHash3.HashToUInt64(entry[..56], seed), BinaryPrimitives.ReadUInt64LittleEndian(entry[56..]));
        }
    }

    [Fact]
    public void Keys_are_as_documented()
    {
        byte[] parts =
        [
            4, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
            2, 2, 0, 0, 0, 0, 0, 0, 0, 0xC3, 0xA9,
            3, 8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,
            3, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        ];
        Assert.Equal(Convert.ToHexStringLower(XxHash128.Hash(parts)), FeatureKey.Of(9, "é", variant: 5, row: 1).ToString());
        Assert.Equal(
            XxHash128.HashToUInt128([1, 2, 0, 0, 0, 0, 0, 0, 0, 7, 8]), new FeatureKeyBuilder().Add([7, 8]).Build().Value);
    }

    [Fact]
    public void The_manifest_is_as_documented_and_holds_no_time_and_no_path()
    {
        var path = Path.Combine(Store, "manifest.json");
        var text = File.ReadAllText(path);
        using var json = JsonDocument.Parse(text);
        var check = json.RootElement.GetProperty("check").GetString()!;
        var zeros = Encoding.UTF8.GetBytes(text.Replace(check, new string('0', 32), StringComparison.Ordinal));
        Assert.Equal(Convert.ToHexStringLower(XxHash128.Hash(zeros)), check);
        Assert.Equal(["format", "identity", "description", "tensors", "check"], json.RootElement.EnumerateObject().Select(p => p.Name));
        Assert.Equal("[3,5]", JsonSerializer.Serialize(json.RootElement.GetProperty("tensors")[0].GetProperty("shape")));

        // The same store elsewhere and later has the same bytes.
        using var other = new TemporaryFolder();
        FeatureStore.Open(other.Path, FeatureRecords.Identity, FeatureRecords.Schema).Dispose();
        Assert.Equal(text, File.ReadAllText(Path.Combine(other.Path, FeatureRecords.Identity, "manifest.json")));
        Assert.Equal(
            ["0000.0.data", "0000.1.data", "0000.index", "0000.lock", "in-use.lock", "manifest.json"],
            Directory.GetFiles(Store).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }
}
