using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Archives of torch.jit.save: the module tree's tensors, none of its code.</summary>
public sealed class TorchScriptTests : IDisposable
{
    private const string Make =
        """
        import sys, collections, torch
        from typing import List, Dict, Optional, Tuple
        torch.manual_seed(5)
        widths = {torch.float64: torch.int64, torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}
        def bits(t):
            t = t.detach().contiguous()
            return (t.view(widths[t.dtype]) if t.dtype in widths else t).reshape(-1).numpy().tobytes().hex()
        class Inner(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.randn(2, 3))
                for name in ["float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]:
                    self.register_buffer("b_" + name, (torch.randn(2, 3) * 3).to(getattr(torch, name)))
                self.register_buffer("scalar", torch.tensor(7))
                self.register_buffer("empty", torch.zeros(0, 2))
                self.register_buffer("hidden", torch.ones(2), persistent=False)
                self.names: List[str] = ["a", "b"]
                self.sizes: List[int] = [3, 4]
                self.rates: List[float] = [0.5]
                self.flags: List[bool] = [True, False]
                self.table: Dict[str, int] = {"x": 1}
                self.absent: Optional[int] = None
                self.count = 7
                self.more: List[torch.Tensor] = [torch.zeros(1), torch.ones(2)]
                self.pair: Tuple[torch.Tensor, int] = (torch.full((2,), 3.0), 4)
            def forward(self, x):
                return x @ self.weight + self.sizes[0] + self.more[0] + self.rates[0] + self.count + self.pair[1] + len(self.table) + len(self.names) + self.b_bool.sum()
        class Outer(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = Inner()
                self.seq = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU())
                self.tied = torch.nn.Linear(3, 4)
                self.tied.weight = self.seq[0].weight
                self.view = torch.nn.Parameter(torch.randn(5, 6).t()[1:, ::2])
            def forward(self, x):
                x = self.inner(x)
                return self.seq(x) + self.tied(x) + self.view.sum()
        model = Outer().eval()
        how = sys.argv[2]
        script = torch.jit.trace(model, torch.randn(2, 2)) if how == "trace" else torch.jit.script(model)
        if how == "frozen":
            script = torch.jit.freeze(script)
        if how == "mobile":
            script._save_for_lite_interpreter(sys.argv[1])
        elif how == "quantised":
            class Q(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.register_buffer("q", torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8))
                def forward(self, x): return x
            torch.jit.script(Q()).save(sys.argv[1])
        else:
            script.save(sys.argv[1])
        for name, t in script.state_dict().items():
            print(name, str(t.dtype)[6:], "x".join(map(str, t.shape)), bits(t), sep="|")
        """;

    private static readonly byte[] s_data = [0, 0, 128, 63, 0, 0, 0, 64];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("script")]
    [InlineData("trace")]
    [InlineData("mobile")]
    public void Every_entry_of_the_state_dict_is_read_bit_for_bit(string how)
    {
        var path = _folder.PathOf("model.pt");
        var expected = Run(path, how).ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
        Assert.InRange(expected.Length, 20, 30);
        using var checkpoint = Checkpoint.Open(path);
        Assert.Equal(CheckpointFormat.TorchScript, checkpoint.Format);
        var found = checkpoint.Tensors.Select(t =>
            $"{t.Name}|{t.Type.ToString().ToLowerInvariant()}|{string.Join('x', t.Shape)}|{Convert.ToHexStringLower(checkpoint.Read(t.Name))}").ToHashSet();
        Assert.All(expected, line => Assert.Contains(line, found));
        checkpoint.Verify();
        Assert.Equal(checkpoint.Read("seq.0.weight"), checkpoint.Read("tied.weight"));
        using var part = Checkpoint.Open(path, "seq");
        Assert.Equal(checkpoint.Read("seq.1.running_var"), part.Read("1.running_var"));
    }

    [Fact]
    public void Other_attributes_are_values()
    {
        var path = _folder.PathOf("model.pt");
        Run(path, "script");
        using var checkpoint = Checkpoint.Open(path);
        var values = checkpoint.Values.ToDictionary(pair => pair.Key, pair => pair.Value);
        Assert.Equal(false, values["training"]);
        Assert.Equal(7L, values["inner/count"]);
        Assert.Equal("b", values["inner/names/1"]);
        Assert.Equal(4L, values["inner/sizes/1"]);
        Assert.Equal(0.5, values["inner/rates/0"]);
        Assert.Equal(true, values["inner/flags/0"]);
        Assert.Equal(1L, values["inner/table/x"]);
        Assert.Null(values["inner/absent"]);
        Assert.Equal(4L, values["inner/pair/1"]);
        // Tensors that no state dict has, because they are in lists and tuples.
        Assert.Equal(8, checkpoint.Read("inner.more.1").Length);
        Assert.Equal(8, checkpoint.Read("inner.pair.0").Length);
    }

    [Fact]
    public void Quantised_tensors_are_refused_by_name_and_frozen_modules_explained()
    {
        var path = _folder.PathOf("model.pt");
        Run(path, "quantised");
        Assert.Contains("_rebuild_qtensor", Assert.Throws<CheckpointException>(() => Checkpoint.Open(path)).Message, StringComparison.Ordinal);
        Run(path, "frozen");
        Assert.Contains("torch.jit.freeze", Assert.Throws<CheckpointException>(() => Checkpoint.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Classes_of_the_archive_s_code_are_data_there_and_refused_elsewhere()
    {
        Action<Pickler> module = p => p.Global("__torch__.a.b", "Net").Op(')').Op(0x81)
            .Dict(("w", (Action<Pickler>)(q => q.Tensor("FloatStorage", "0", 2, 0, [2], [1]))), ("training", true)).Op('b');
        using (var checkpoint = Open(Archive(module)))
        {
            Assert.Equal(CheckpointFormat.TorchScript, checkpoint.Format);
            Assert.Equal(s_data, checkpoint.Read("w"));
        }

        Assert.Contains("\"__torch__.a.b.Net\"", Error(TorchFile.Zip(module, ("0", s_data))), StringComparison.Ordinal);
        Assert.Contains("\"__torch__.a.b.Net\"", Error(TorchFile.Legacy(module, ("0", 4, s_data))), StringComparison.Ordinal);
        Assert.Contains("\"torch.jit._pickle.build_intlist\"", Error(TorchFile.Zip(p => p.Global("torch.jit._pickle", "build_intlist"))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("os", "system")]
    [InlineData("__torch", "Net")]
    [InlineData("__torch__x", "Net")]
    [InlineData("torch.jit._pickle", "build_tensor_from_id")]
    [InlineData("torch.nn.modules.linear", "Linear")]
    [InlineData("__torch__", "a\u001bb")]
    public void Other_names_stay_refused(string module, string name) =>
        Assert.Contains("refused: the file asks for", Error(Archive(p => p.Global(module, name))), StringComparison.Ordinal);

    [Fact]
    public void Objects_that_hold_themselves_are_an_error() =>
        Assert.Contains("deeper than", Error(Archive(p => p.Global("__torch__", "Net").Op(')').Op(0x81).Put(1)
            .Dict(("self", (Action<Pickler>)(q => q.Get(1))), ("w", (Action<Pickler>)(q => q.Tensor("FloatStorage", "0", 2, 0, [2], [1])))).Op('b'))), StringComparison.Ordinal);

    private string Run(string path, string how)
    {
        // TorchScript reads the source of what it compiles, so that has to be in a file.
        File.WriteAllText(_folder.PathOf("make_script.py"), Make);
        return PythonPeer.Run("torch", "import sys; sys.path.insert(0, sys.argv.pop(3)); import make_script", path, how, _folder.Path);
    }

    private static byte[] Archive(Action<Pickler> pickle) => TorchFile.Script(Pickler.Bytes(pickle), ("0", s_data));

    private static Checkpoint Open(byte[] bytes) => Checkpoint.Open(bytes, "memory");

    private static string Error(byte[] bytes) => Assert.Throws<CheckpointException>(() => Open(bytes).Dispose()).Message;
}
