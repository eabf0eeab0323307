using System.Diagnostics;
using System.Globalization;
using System.Text;
using Frostline.Checkpoints;
using Frostline.Checkpoints.Pickle;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>What a hostile pickle asks for is refused by name and place; nothing makes reading run away.</summary>
public sealed class PickleSafetyTests
{
    public static TheoryData<string, string> Names { get; } = new()
    {
        { "os", "system" }, { "posix", "system" }, { "nt", "system" }, { "subprocess", "Popen" }, { "builtins", "eval" }, { "__builtin__", "eval" },
        { "builtins", "exec" }, { "builtins", "getattr" }, { "__builtin__", "getattr" }, { "builtins", "__import__" }, { "operator", "attrgetter" },
        { "functools", "partial" }, { "torch.nn.modules.linear", "Linear" }, { "torch.hub", "load" }, { "torch", "load" }, { "torch._utils", "os" },
        { "torch.storage", "_load_from_bytes" }, { "numpy.testing._private.utils", "runstring" }, { "__main__", "Model" }, { "torch", "FloatStorage.__init__" },
        { "pickle", "loads" }, { "_codecs", "decode" }, { "collections", "OrderedDict.__init__" }, { "TORCH", "FLOATSTORAGE" },
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void A_name_outside_the_allow_list_is_refused_with_its_place(string module, string name)
    {
        var direct = Refusal(p => p.Global(module, name).Tuple("echo").Op('R'));
        Assert.Contains($"refused: the file asks for \"{module}.{name}\" at byte 2 of data.pkl", direct, StringComparison.Ordinal);
        // As STACK_GLOBAL, inside a dictionary, and memoised first.
        Assert.Contains($"\"{module}.{name}\"", Refusal(p => p.Text(module).Text(name).Op(0x93).Tuple("echo").Op('R')), StringComparison.Ordinal);
        Assert.Contains($"\"{module}.{name}\"", Refusal(p => p.Dict(("a", (Action<Pickler>)(q => q.Global(module, name))))), StringComparison.Ordinal);
        Assert.Contains($"\"{module}.{name}\"", Refusal(p => p.Text(module).Put(0).Text(name).Put(1).Get(0).Get(1).Op(0x93)), StringComparison.Ordinal);
    }

    [Fact]
    public void Legacy_files_are_refused_at_the_place_in_the_file()
    {
        var pickle = Pickler.Bytes(p => p.Global("os", "system").Tuple("echo").Op('R'));
        var bytes = TorchFile.Legacy(pickle);
        var message = Assert.Throws<CheckpointException>(() => Checkpoint.Open(bytes, "memory")).Message;
        var at = bytes.AsSpan().IndexOf("cos\n"u8);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"\"os.system\" at byte {at};"), message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData('i', "Inst")]
    [InlineData('o', "Obj")]
    [InlineData('\u0082', "Ext1")]
    [InlineData('\u0092', "NewObjEx")]
    [InlineData('P', "PersId")]
    [InlineData('V', "Unicode")]
    [InlineData('\u0097', "NextBuffer")]
    [InlineData('\u00ff', "0xff")]
    public void Opcodes_that_could_call_or_are_unknown_are_refused(char opcode, string name)
    {
        var message = Refusal(p => p.Op('(').Text("os").Text("system").Op((byte)opcode));
        Assert.Contains($"refused: the file asks for the", message, StringComparison.Ordinal);
        Assert.Contains(name, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Allowed_names_cannot_be_called_with_something_else()
    {
        Assert.Contains("arguments that do not fit", Refusal(p => p.Global("torch", "FloatStorage").Tuple(5).Op('R')), StringComparison.Ordinal);
        Assert.Contains("arguments that do not fit", Refusal(p => p.Global("torch._utils", "_rebuild_tensor_v2").Tuple("x").Op('R')), StringComparison.Ordinal);
        Assert.Contains("arguments that do not fit", Refusal(p => p.Global("_codecs", "encode").Tuple("x", "rot13").Op('R')), StringComparison.Ordinal);
        Assert.Contains("no class", Refusal(p => p.Text("os.system").Tuple("x").Op('R')), StringComparison.Ordinal);
        Assert.Contains("has no state", Refusal(p => p.List().Dict(("__class__", "x")).Op('b')), StringComparison.Ordinal);
        Assert.Contains("names no storage", Refusal(p => p.Tuple("module", "x").Op('Q')), StringComparison.Ordinal);
    }

    [Fact]
    public void The_allow_list_holds_no_function_that_could_run_anything()
    {
        string[] modules = ["collections", "builtins", "argparse", "_codecs", "numpy", "numpy.core.multiarray", "torch", "torch.cuda", "torch.storage", "torch._utils", "torch._tensor", "torch.nn.parameter"];
        Assert.All(PickleConstructors.Names, name => Assert.Contains(name[..name.LastIndexOf('.')], modules));
        Assert.All(
            PickleConstructors.Names.Where(name => name.StartsWith("builtins.", StringComparison.Ordinal)),
            name => Assert.Contains(name, new[] { "builtins.dict", "builtins.list", "builtins.set", "builtins.frozenset", "builtins.int", "builtins.float" }));
    }

    [Fact]
    public void Control_characters_in_a_name_do_not_reach_the_terminal()
    {
        var message = Refusal(p => p.Text("os\u001b[31m").Text("sys\ntem").Op(0x93));
        Assert.Contains("\"os?[31m.sys?tem\"", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_ends_in_an_error_instead_of_the_stack() =>
        Assert.Contains("deeper than 64", Bounded(p =>
        {
            for (var i = 0; i < 200_000; i++) p.Op(']');
            for (var i = 1; i < 200_000; i++) p.Op('a');
        }), StringComparison.Ordinal);

    [Fact]
    public void A_dictionary_in_itself_ends_in_an_error() =>
        Assert.Contains("deeper than 64", Bounded(p => p.Op('}').Put(0).Text("a").Get(0).Op('s')), StringComparison.Ordinal);

    [Fact]
    public void Shared_lists_that_multiply_end_in_an_error() =>
        Assert.Contains(", the limit", Bounded(p =>
        {
            p.List(1, 2).Put(0);
            for (byte i = 1; i < 60; i++) p.Op('0').Op(']').Op('(').Get((byte)(i - 1)).Get((byte)(i - 1)).Op('e').Put(i);
        }), StringComparison.Ordinal);

    [Fact]
    public void Shared_long_names_that_multiply_end_in_an_error() =>
        Assert.Contains("characters together", Bounded(p =>
        {
            p.Text(new string('k', 100_000)).Put(0).Op('0').Op('}').Op('(');
            for (var i = 0; i < 5000; i++) p.Integer(i).Op('}').Get(0).Op('N').Op('s');
            p.Op('u');
        }), StringComparison.Ordinal);

    [Theory]
    [InlineData("}")]
    [InlineData("]")]
    [InlineData("(")]
    [InlineData("N")]
    [InlineData("N2")]
    [InlineData("]2")]
    [InlineData(")q\0")]
    public void Millions_of_values_end_at_the_memory_limit(string opcodes) =>
        Assert.Contains("256 MiB", Bounded(p => p.Op(Encoding.Latin1.GetBytes(string.Concat(Enumerable.Repeat(opcodes, 18 << 20 >> (opcodes.Length - 1)))))), StringComparison.Ordinal);

    [Fact]
    public void Copying_one_long_value_many_times_ends_at_the_memory_limit()
    {
        Assert.Contains("256 MiB", Bounded(p =>
        {
            p.Text(new string('x', 1 << 20)).Put(0).Op('0').Global("_codecs", "encode").Put(1).Text("latin1").Put(2);
            for (var i = 0; i < 10_000; i++) p.Get(1).Get(0).Get(2).Op(0x86).Op('R');
        }), StringComparison.Ordinal);
        Assert.Contains("256 MiB", Bounded(p =>
        {
            p.List([.. Enumerable.Range(0, 10_000).Select(i => (object)i)]).Put(0).Global("builtins", "set").Put(1);
            for (var i = 0; i < 10_000; i++) p.Get(1).Get(0).Op(0x85).Op('R');
        }), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 0x8d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, "cut short")]
    [InlineData(new byte[] { (byte)'X', 0xff, 0xff, 0xff, 0xff }, "cut short")]
    [InlineData(new byte[] { (byte)'B', 0xff, 0xff, 0xff, 0x7f }, "cut short")]
    [InlineData(new byte[] { 0x8b, 0xff, 0xff, 0xff, 0xff }, "an integer of")]
    [InlineData(new byte[] { (byte)'h', 7 }, "which was not kept")]
    [InlineData(new byte[] { (byte)'R' }, "without its operand")]
    [InlineData(new byte[] { (byte)'t' }, "without its mark")]
    [InlineData(new byte[] { (byte)'N', (byte)'N' }, "left over")]
    [InlineData(new byte[] { (byte)'N', (byte)'(' }, "without its operand")]
    [InlineData(new byte[] { (byte)'}', (byte)'(', (byte)'N', (byte)'u' }, "a key without a value")]
    [InlineData(new byte[] { (byte)'N', (byte)'N', (byte)'a' }, "cannot take it")]
    [InlineData(new byte[] { 0x80, 9, (byte)'N' }, "protocol 9")]
    [InlineData(new byte[] { (byte)'X', 1, 0, 0, 0, 0xff }, "not valid UTF-8")]
    public void Damaged_pickles_are_errors(byte[] opcodes, string expected) =>
        Assert.Contains(expected, Bounded(p => p.Op(opcodes), allocation: 1 << 20), StringComparison.Ordinal);

    [Theory]
    [InlineData(1L << 60, 0, new long[] { 2 }, new long[] { 1 }, "more than the file holds")]
    [InlineData(-1, 0, new long[] { 2 }, new long[] { 1 }, "more than the file holds")]
    [InlineData(4, 0, new long[] { 5 }, new long[] { 1 }, "outside its storage")]
    [InlineData(4, 3, new long[] { 2 }, new long[] { 1 }, "outside its storage")]
    [InlineData(4, 0, new long[] { 2 }, new long[] { 4 }, "outside its storage")]
    [InlineData(4, -1, new long[] { 2 }, new long[] { 1 }, "negative")]
    [InlineData(4, 0, new long[] { -2 }, new long[] { 1 }, "negative")]
    [InlineData(4, 0, new long[] { 2 }, new long[] { -1 }, "negative")]
    [InlineData(4, 0, new long[] { 2, 2 }, new long[] { 1 }, "differ in number")]
    [InlineData(4, 0, new long[] { 1L << 40, 1L << 40 }, new long[] { 0, 0 }, "64 bits")]
    [InlineData(4, 0, new long[] { 1L << 40 }, new long[] { 0 }, "unfold")]
    [InlineData(4, 0, new long[] { 2 }, new long[] { long.MaxValue }, "outside its storage")]
    [InlineData(4, 1, new long[] { 3 }, new long[] { long.MaxValue }, "64 bits")]
    public void Tensors_that_claim_what_is_not_there_are_errors(long count, long offset, long[] size, long[] stride, string expected)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var zip = TorchFile.Zip(p => p.Tensor("FloatStorage", "0", count, offset, size, stride), ("0", new byte[16]));
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => Checkpoint.Open(zip, "memory")).Message, StringComparison.Ordinal);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void Too_many_dimensions_are_an_error()
    {
        var ones = Enumerable.Repeat(1L, 65).ToArray();
        Assert.Contains("65 dimensions", Refusal(p => p.Tensor("FloatStorage", "0", 0, 0, ones, ones)), StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_that_would_collide_cost_no_more_than_others()
    {
        // The usual hash of a long is its upper half xor its lower half: all of these would share one bucket.
        var watch = Stopwatch.StartNew();
        Bounded(p =>
        {
            p.Op('}').Op('(');
            for (long i = 0; i < 200_000; i++) p.Integer((i << 32) | i).Op('N');
            p.Op('u');
        });
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10));
    }

    private static string Refusal(Action<Pickler> write) => Bounded(write, 1 << 20);

    private static string Bounded(Action<Pickler> write, long allocation = 640L << 20)
    {
        var zip = TorchFile.Zip(write);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Assert.Throws<CheckpointException>(() => Checkpoint.Open(zip, "memory")).Message;
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < allocation, "allocates more than the limit");
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
