using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Frostline.Testing;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;

namespace Frostline.Vision.Tests.Networks;

[Collection(LibTorchCollection.Name)]
public sealed class DeterministicFillTests
{
    [Fact]
    public void Hashes_bits_and_values_are_the_reference_ones()
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(Fixtures.PathOf("golden/fill_check_vectors.json")));
        foreach (var vector in file.RootElement.EnumerateObject())
        {
            if (vector.Name.EndsWith("num_batches_tracked", StringComparison.Ordinal)) continue;
            var shape = vector.Value.GetProperty("shape").EnumerateArray().Select(s => s.GetInt64()).ToArray();
            var hash = DeterministicFill.Hash(vector.Name);
            Assert.Equal(vector.Value.GetProperty("fnv1a64_hex").GetString(), hash.ToString("x16", CultureInfo.InvariantCulture));
            var bits = vector.Value.GetProperty("u_first_53bit_int").EnumerateArray().Select(b => b.GetUInt64());
            Assert.All(bits.Index(), pair => Assert.Equal(pair.Item, DeterministicFill.Bits(hash, pair.Index)));
            var values = DeterministicFill.Values(vector.Name, shape);
            Assert.All(vector.Value.GetProperty("f32_first").EnumerateArray().Index(), pair => Assert.Equal(pair.Item.GetSingle(), values[pair.Index]));
            Assert.Equal(vector.Value.GetProperty("f32_last").GetSingle(), values[^1]);
            Assert.Equal(vector.Value.GetProperty("sha256_le").GetString(), Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<float>(values))));
        }
    }

    [Theory]
    [InlineData("resnet18", ResNetDepth.ResNet18, 1000)]
    [InlineData("resnet18_nc10", ResNetDepth.ResNet18, 10)]
    [InlineData("resnet50", ResNetDepth.ResNet50, 1000)]
    [InlineData("resnet20_cifar", null, 10)]
    public void A_filled_network_has_the_reference_bytes(string model, ResNetDepth? depth, int classes)
    {
        using torch.nn.Module network = depth is { } d ? new ResNet(d, classes) : new CifarResNet(20, classes);
        DeterministicFill.Fill(network);
        using var file = JsonDocument.Parse(File.ReadAllBytes(Fixtures.PathOf("golden/fill_check_models.json")));
        var expected = file.RootElement.GetProperty(model);
        var entries = NetworkEntries.Of(network).ToList();
        Assert.Equal(expected.GetProperty("entries").GetInt32(), entries.Count);
        Assert.Equal(expected.GetProperty("params").GetInt64(), network.parameters().Sum(p => p.numel()));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (_, tensor) in entries) hash.AppendData(tensor.bytes);
        Assert.Equal(expected.GetProperty("filled_state_dict_sha256").GetString(), Convert.ToHexStringLower(hash.GetHashAndReset()));
    }
}
