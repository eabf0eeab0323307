using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Checkpoints;

/// <summary>TorchSharp's own files, as TorchSharp writes them, and what only looks like them.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class TorchSharpTests : IDisposable
{
    private static readonly ScalarType[] s_types =
    [
        ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16,
        ScalarType.Int8, ScalarType.Byte, ScalarType.Bool,
    ];

    private static readonly byte[] s_tensor = TorchSharpFile.Tensor(6, [2, 1], [1, 2, 3, 4, 5, 6, 7, 8]);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_module_that_TorchSharp_saved_is_read_bit_for_bit()
    {
        using var module = new EveryType();
        var path = _folder.PathOf("module.dat");
        module.save(path);
        using var checkpoint = Checkpoint.Open(path);
        Assert.Equal(CheckpointFormat.TorchSharp, checkpoint.Format);
        var state = module.state_dict();
        Assert.Equal(state.Keys, checkpoint.Tensors.Select(tensor => tensor.Name));
        foreach (var (name, tensor) in state)
        {
            var info = checkpoint.Find(name);
            Assert.Equal(tensor.shape, info.Shape);
            Assert.Equal(tensor.dtype == ScalarType.Byte ? "UInt8" : tensor.dtype.ToString(), info.Type.ToString());
            Assert.Equal(tensor.numel() == 0 ? [] : tensor.bytes.ToArray(), checkpoint.Read(name));
        }

        using var linear = nn.Sequential(("fc", nn.Linear(300, 200)), ("bn", nn.BatchNorm1d(200)));
        linear.save(_folder.PathOf("linear.dat"));
        using var large = Checkpoint.Open(_folder.PathOf("linear.dat"));
        Assert.Equal(linear.state_dict()["fc.weight"].bytes.ToArray(), large.Read("fc.weight"));
    }

    [Fact]
    public void A_state_dict_and_a_single_tensor_are_read_too()
    {
        using var module = new EveryType();
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true))
            nn.Module.save_state_dict(writer, module.state_dict(), ["Float32"]);
        using var state = Checkpoint.Open(stream.ToArray(), "memory");
        Assert.False(state.TryFind("Float32", out _));
        Assert.True(state.TryFind("Float64", out _));

        using var values = arange(12, dtype: ScalarType.Float32).reshape(3, 4);
        using var single = new MemoryStream();
        values.Save(single);
        using var checkpoint = Checkpoint.Open(single.ToArray(), "memory");
        Assert.Equal((CheckpointFormat.TorchSharp, "tensor"), (checkpoint.Format, checkpoint.Tensors.Single().Name));
        Assert.Equal(values.bytes.ToArray(), checkpoint.Read("tensor"));
    }

    [Fact]
    public void Torch_save_of_a_tensor_writes_an_archive_of_TorchScript()
    {
        using var values = arange(12, dtype: ScalarType.Int64).reshape(3, 4);
        save(values, _folder.PathOf("tensor.pt"));
        using var checkpoint = Checkpoint.Open(_folder.PathOf("tensor.pt"));
        Assert.Equal(CheckpointFormat.TorchScript, checkpoint.Format);
        Assert.Equal(values.bytes.ToArray(), checkpoint.Read(checkpoint.Tensors.Single().Name));
    }

    [Fact]
    public void Complex_tensors_are_refused_by_name()
    {
        var error = Assert.Throws<CheckpointException>(
            () => Checkpoint.Open(TorchSharpFile.Module(("phase", TorchSharpFile.Tensor(9, [1], new byte[8]))), "memory").Dispose());
        Assert.Contains("\"phase\" holds complex numbers", error.Message, StringComparison.Ordinal);
        Assert.Contains("no key \"x\"", Assert.Throws<CheckpointException>(
            () => Checkpoint.Open(TorchSharpFile.Module(("a", s_tensor)), "memory", "x").Dispose()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_files_that_fit_to_the_last_byte_are_taken()
    {
        var good = TorchSharpFile.Module(("a.weight", s_tensor), ("é", TorchSharpFile.Tensor(11, [0, 3], [])));
        using (var checkpoint = Checkpoint.Open(good, "memory"))
            Assert.Equal(["a.weight", "é"], checkpoint.Tensors.Select(tensor => tensor.Name));

        Other([.. good, 0]);
        Other(good[..^1]);
        Assert.Contains("TorchSharp file that is damaged or cut short", Other(good[..20]), StringComparison.Ordinal);
        Other(TorchSharpFile.Module());
        Other(TorchSharpFile.Module(("a", s_tensor), ("a", s_tensor)));
        Other(TorchSharpFile.Module(("", s_tensor)));
        Other(TorchSharpFile.Module(("a\n", s_tensor)));
        Other(TorchSharpFile.Module((new string('a', 1025), s_tensor)));
        Other([1, 2, 0xc3, 0x28, .. s_tensor]);
        // Types that there are not, or that are saved without what they mean.
        foreach (var type in new[] { 8, 12, 13, 14, 16, 127 }) Other(TorchSharpFile.Module(("a", TorchSharpFile.Tensor(type, [4], new byte[4]))));
        // Sizes that overflow, or only fit because another is zero.
        Other(TorchSharpFile.Module(("a", TorchSharpFile.Tensor(6, [1L << 62, 4], []))));
        Other(TorchSharpFile.Module(("a", TorchSharpFile.Tensor(6, [0, 1L << 62, 1L << 62], []))));
        Other(TorchSharpFile.Module(("a", TorchSharpFile.Tensor(0, [.. Enumerable.Repeat(1L, 65)], [0]))));
        // Numbers that are longer than they need be, or than 63 bits.
        Other([0x81, 0, 1, (byte)'a', .. s_tensor]);
        Other([.. Enumerable.Repeat((byte)0xff, 20)]);
        Other(TorchSharpFile.Tensor(6, [0], []));
        Other([0xff, 0xff, 0xff, 0x7f, .. new byte[100]]);
    }

    private static string Other(byte[] file)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Assert.Throws<CheckpointException>(() => Checkpoint.Identify(file, "memory")).Message;
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        return message;
    }

    private sealed class EveryType : nn.Module
    {
        public EveryType()
            : base(nameof(EveryType))
        {
            foreach (var type in s_types)
            {
                using var numbers = arange(6, dtype: ScalarType.Float32).reshape(2, 3) - (type is ScalarType.Byte or ScalarType.Bool ? 0 : 2.5f);
                register_buffer($"{type}", numbers.to(type));
                register_buffer($"{type}_scalar", numbers[1, 1].to(type));
            }

            register_buffer("empty", zeros(0, 3));
            register_parameter("weight", new TorchSharp.Modules.Parameter(randn(3, 130)));
        }
    }
}
