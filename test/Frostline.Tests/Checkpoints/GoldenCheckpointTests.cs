using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Every file of the golden checkpoints, against what PyTorch itself read from it.</summary>
public sealed class GoldenCheckpointTests
{
    public static TheoryData<string> Files { get; } =
    [
        "state_dict_zip.pth", "state_dict_legacy.pth", "checkpoint_sgd_zip.pth", "checkpoint_sgd_legacy.pth", "checkpoint_adamw_zip.pth",
        "nested_zip.pth", "nested_legacy.pth", "dtypes_zip.pth", "dtypes_legacy.pth", "views_zip.pth", "views_legacy.pth", "tied_zip.pth",
        "tied_legacy.pth", "parameters_zip.pth", "parameters_legacy.pth", "whole_module_zip.pth", "whole_module_legacy.pth",
        "single_tensor_zip.pth", "single_tensor_legacy.pth", "plain_dict_zip.pth", "plain_dict_legacy.pth", "state_dict_zip_proto3.pth",
        "state_dict_zip_proto4.pth", "rebuild_v1_legacy.pth", "numpy_scalar_zip.pth", "custom_class_zip.pth", "truncated_zip.pth",
        "truncated_legacy.pth", "empty_file.pth", "not_a_checkpoint.pth",
    ];

    [Fact]
    public void Every_file_is_tested()
    {
        using var expected = Expected();
        Assert.Equal(
            expected.RootElement.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal),
            Files.Select(row => row.Data).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void A_file_gives_what_PyTorch_gives_or_is_refused(string file)
    {
        using var document = Expected();
        var expected = document.RootElement.GetProperty(file);
        var path = Fixtures.PathOf($"golden/checkpoints/{file}");
        var verdict = expected.GetProperty("expect").GetString();
        if (verdict is "refuse" or "error" || (verdict == "refuse-or-skip" && file.StartsWith("custom", StringComparison.Ordinal)))
        {
            var error = Assert.Throws<CheckpointException>(() => Checkpoint.Open(path, ""));
            Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
            if (verdict != "error") Assert.Contains(expected.GetProperty("pickle_globals")[0].GetString()!.Replace(' ', '.'), error.Message, StringComparison.Ordinal);
            return;
        }

        using var checkpoint = (PyTorchCheckpoint)Checkpoint.Open(path, "");
        Assert.Equal(expected.GetProperty("format").GetString() == "torch-zip" ? CheckpointFormat.PyTorchZip : CheckpointFormat.PyTorchLegacy, checkpoint.Format);
        Assert.Equal(checkpoint.Format, Checkpoint.Identify(path));
        CheckTensors(checkpoint, expected.GetProperty("tensors"));
        if (expected.TryGetProperty("shared_storage_groups", out var groups)) CheckSharing(checkpoint, groups);
        CheckScalars(checkpoint, expected.GetProperty("scalars"));
    }

    [Theory]
    [InlineData("checkpoint_sgd_zip.pth", "state_dict", "module.conv.weight")]
    [InlineData("checkpoint_sgd_legacy.pth", "state_dict", "module.conv.weight")]
    [InlineData("nested_zip.pth", "model", "backbone.conv.weight")]
    [InlineData("state_dict_zip.pth", "", "conv.weight")]
    [InlineData("plain_dict_legacy.pth", "", "a")]
    [InlineData("single_tensor_zip.pth", "", "tensor")]
    public void The_wrapper_is_found(string file, string key, string first)
    {
        using var checkpoint = Checkpoint.Open(Fixtures.PathOf($"golden/checkpoints/{file}"));
        Assert.Equal(key, checkpoint.Key);
        Assert.Equal(first, checkpoint.Tensors[0].Name);
    }

    [Fact]
    public void A_key_chooses_and_a_wrong_one_is_told_the_nearest()
    {
        var path = Fixtures.PathOf("golden/checkpoints/checkpoint_sgd_zip.pth");
        using var momentum = Checkpoint.Open(path, "optimizer/state");
        Assert.Equal("0.momentum_buffer", momentum.Tensors[0].Name);
        Assert.Contains("optimizer/state/0", momentum.Keys);
        using var one = Checkpoint.Open(path, "optimizer/state/0/momentum_buffer");
        Assert.Equal("tensor", Assert.Single(one.Tensors).Name);
        Assert.Contains("did you mean \"state_dict\"", Assert.Throws<CheckpointException>(() => Checkpoint.Open(path, "statedict")).Message, StringComparison.Ordinal);
        Assert.Contains("\"epoch\" holds no tensors", Assert.Throws<CheckpointException>(() => Checkpoint.Open(path, "epoch")).Message, StringComparison.Ordinal);
        Assert.Contains(new("epoch", 7L), momentum.Values);
    }

    [Theory]
    [InlineData("state_dict_zip.pth", "state_dict_legacy.pth")]
    [InlineData("state_dict_zip.pth", "state_dict_zip_proto3.pth")]
    [InlineData("state_dict_zip.pth", "state_dict_zip_proto4.pth")]
    [InlineData("views_zip.pth", "views_legacy.pth")]
    public void The_content_hash_does_not_depend_on_the_container(string a, string b)
    {
        using var first = Checkpoint.Open(Fixtures.PathOf($"golden/checkpoints/{a}"));
        using var second = Checkpoint.Open(Fixtures.PathOf($"golden/checkpoints/{b}"));
        Assert.Equal(first.ContentHash(), second.ContentHash());
    }

    [Fact]
    public void The_real_SqueezeNet_is_the_same_as_pth_and_as_safetensors()
    {
        using var pth = Checkpoint.Open(Fixtures.PathOf("data/squeezenet1_0/squeezenet1_0.pth"));
        using var safetensors = Checkpoint.Open(Fixtures.PathOf("data/squeezenet1_0/squeezenet1_0.safetensors"));
        Assert.Equal(pth.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal), safetensors.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal));
        foreach (var tensor in safetensors.Tensors)
        {
            Assert.Equal(tensor.Shape, pth.Find(tensor.Name).Shape);
            Assert.Equal(safetensors.Read(tensor.Name), pth.Read(tensor.Name));
        }

        Assert.Equal(pth.ContentHash(), safetensors.ContentHash());
    }

    [Fact]
    public void The_real_ResNet20_loads_as_it_is()
    {
        using var checkpoint = Checkpoint.Open(Fixtures.PathOf("data/resnet20-cifar10/resnet20-12fca82f.th"));
        Assert.Equal(CheckpointFormat.PyTorchLegacy, checkpoint.Format);
        Assert.Equal("state_dict", checkpoint.Key);
        using var manifest = JsonDocument.Parse(File.ReadAllText(Fixtures.PathOf("golden/manifests/resnet20_cifar_checkpoint.json")));
        var entries = manifest.RootElement.GetProperty("state_dict").EnumerateArray().ToArray();
        Assert.Equal(97, entries.Length);
        Assert.Equal(entries.Select(e => e[0].GetString()), checkpoint.Tensors.Select(t => t.Name));
        Assert.Equal(entries.Select(e => string.Join(',', e[1].EnumerateArray())), checkpoint.Tensors.Select(t => string.Join(',', t.Shape)));
        Assert.Equal(manifest.RootElement.GetProperty("top_level").GetProperty("best_prec1").GetDouble(), checkpoint.Values.Single(v => v.Key == "best_prec1").Value);
        foreach (var sum in manifest.RootElement.GetProperty("sums_f64").EnumerateObject())
        {
            var values = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(checkpoint.Read(sum.Name)).ToArray();
            Assert.Equal(sum.Value.GetDouble(), values.Sum(v => (double)v), 1e-9);
        }
    }

    private static JsonDocument Expected() => JsonDocument.Parse(File.ReadAllText(Fixtures.PathOf("golden/checkpoints/expected.json")));

    private static void CheckTensors(Checkpoint checkpoint, JsonElement expected)
    {
        Assert.Equal(expected.EnumerateObject().Select(p => Name(p.Name)), checkpoint.Tensors.Select(t => t.Name));
        foreach (var entry in expected.EnumerateObject())
        {
            var tensor = checkpoint.Find(Name(entry.Name));
            Assert.Equal(entry.Value.GetProperty("dtype").GetString(), SafetensorsTypes.NameOf(tensor.Type));
            Assert.Equal(entry.Value.GetProperty("shape").EnumerateArray().Select(s => s.GetInt64()), tensor.Shape);
            var bytes = checkpoint.Read(tensor.Name);
            Assert.Equal(entry.Value.GetProperty("sha256_contiguous_le").GetString(), Convert.ToHexStringLower(SHA256.HashData(bytes)));
        }
    }

    private static void CheckSharing(PyTorchCheckpoint checkpoint, JsonElement groups)
    {
        var shared = checkpoint.Tensors.Zip(checkpoint.Views).GroupBy(p => p.Second.Storage.Key, p => p.First.Name, StringComparer.Ordinal).Where(g => g.Count() > 1);
        Assert.Equal(groups.EnumerateArray().Select(g => string.Join(' ', g.EnumerateArray().Select(n => Name(n.GetString()!)))), shared.Select(g => string.Join(' ', g)));
    }

    private static void CheckScalars(Checkpoint checkpoint, JsonElement expected)
    {
        var values = checkpoint.Values.ToDictionary(StringComparer.Ordinal);
        foreach (var scalar in expected.EnumerateObject())
        {
            var value = values[scalar.Name];
            switch (scalar.Value.ValueKind)
            {
                case JsonValueKind.Null: Assert.Null(value); break;
                case JsonValueKind.True or JsonValueKind.False: Assert.Equal(scalar.Value.GetBoolean(), value); break;
                case JsonValueKind.Array: Assert.Empty(Assert.IsType<object?[]>(value)); break;
                case JsonValueKind.String: Assert.Equal(scalar.Value.GetString(), value); break;
                default:
                    var text = scalar.Value.GetRawText();
                    if (value is double number) Assert.Equal(double.Parse(text, CultureInfo.InvariantCulture), number);
                    else Assert.Equal(BigInteger.Parse(text, CultureInfo.InvariantCulture), value is long small ? small : Assert.IsType<BigInteger>(value));
                    break;
            }
        }

        if (expected.TryGetProperty("huge", out _)) Assert.Equal(BigInteger.Pow(2, 70), values["huge"]);
    }

    private static string Name(string path) => path.Length == 0 ? "tensor" : path.Replace('/', '.');
}
