using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>ONNX models whose data lie in files beside them.</summary>
public sealed class OnnxExternalDataTests : IDisposable
{
    private static readonly TensorInfo s_tensor = new("t", TensorType.Int16, [2]);

    private readonly TemporaryFolder _folder = new();

    private string ModelPath => _folder.PathOf("net.onnx");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Data_are_read_from_the_files_beside_the_model()
    {
        Put("weights.bin", [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        Directory.CreateDirectory(_folder.PathOf("more"));
        Put("more/weights.bin", [9, 9, 9, 9]);
        Write(
            OnnxFile.External(s_tensor with { Name = "all" }, "weights.bin", 2),
            OnnxFile.External(s_tensor with { Name = "rest" }, ("location", "weights.bin"), ("offset", "6"), ("checksum", "not looked at")),
            OnnxFile.External(s_tensor with { Name = "start" }, ("location", "./weights.bin")),
            OnnxFile.External(s_tensor with { Name = "deep" }, "more/weights.bin", 0),
            OnnxFile.External(new TensorInfo("empty", TensorType.Float32, [0]), "weights.bin", 10),
            OnnxFile.Tensor(s_tensor with { Name = "inside" }, [4, 3, 2, 1]));
        using var checkpoint = Checkpoint.Open(ModelPath);
        Assert.Equal([1, 2, 3, 4], checkpoint.Read("all"));
        Assert.Equal([5, 6, 7, 8], checkpoint.Read("rest"));
        Assert.Equal([0, 0, 1, 2], checkpoint.Read("start"));
        Assert.Equal([9, 9, 9, 9], checkpoint.Read("deep"));
        Assert.Empty(checkpoint.Read("empty"));
        Assert.Equal([4, 3, 2, 1], checkpoint.Read("inside"));
    }

    [Theory]
    [InlineData("0", "4", "ok")]
    [InlineData("2", "4", "ok")]
    [InlineData("3", "4", "bytes 3 to 3+4 of weights.bin, which has 6")]
    [InlineData("9223372036854775807", "4", "which has 6")]
    [InlineData("9223372036854775808", "4", "offset of its external data is no whole number")]
    [InlineData("-1", "4", "offset of its external data is no whole number")]
    [InlineData("0x1", "4", "offset of its external data is no whole number")]
    [InlineData("0", "6", "needs 4 bytes, its external data have 6")]
    [InlineData("0", "x", "length of its external data is no whole number")]
    public void Offset_and_length_are_checked_against_the_file(string offset, string length, string expected)
    {
        Put("weights.bin", new byte[6]);
        Write(OnnxFile.External(s_tensor, ("location", "weights.bin"), ("offset", offset), ("length", length)));
        if (expected == "ok") Checkpoint.Open(ModelPath).Dispose();
        else Refused(expected);
    }

    [Theory]
    [InlineData("../weights.bin")]
    [InlineData("more/../../weights.bin")]
    [InlineData("/etc/passwd")]
    [InlineData("//etc/passwd")]
    [InlineData("C:/weights.bin")]
    [InlineData("more\\weights.bin")]
    [InlineData("more//weights.bin")]
    [InlineData("weights.bin\n")]
    [InlineData("..")]
    [InlineData("./../weights.bin")]
    [InlineData("")]
    public void The_path_may_not_lead_out_of_the_folder(string location)
    {
        Write(OnnxFile.External(s_tensor, location, 0));
        Refused("not a plain path inside its folder");
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        Put("weights.bin", new byte[6]);
        Write(OnnxFile.External(s_tensor, "weight.bin", 0));
        Refused("needs the file \"weight.bin\", which is not in its folder; did you mean \"weights.bin\"?");
        Write(OnnxFile.External(s_tensor, ("offset", "0")));
        Refused("have no location");
    }

    [Fact]
    public void Without_a_folder_the_model_is_told_to_be_opened_by_its_path()
    {
        var model = OnnxFile.Model(OnnxFile.External(s_tensor, "weights.bin", 0));
        Assert.Equal(CheckpointFormat.Onnx, Checkpoint.Identify(model, "memory"));
        var error = Assert.Throws<CheckpointException>(() => Checkpoint.Open(model, "memory"));
        Assert.Contains("open it by its path", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_file_is_closed_when_the_checkpoint_is_and_when_opening_fails()
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("/proc lists open files");
        Put("weights.bin", new byte[6]);
        Write(OnnxFile.External(s_tensor, "weights.bin", 0));
        var checkpoint = Checkpoint.Open(ModelPath);
        Assert.Equal(["net.onnx", "weights.bin"], Mapped());
        checkpoint.Dispose();
        Assert.Empty(Mapped());
        Write(OnnxFile.External(s_tensor, "weights.bin", 0), OnnxFile.External(s_tensor, "weights.bin", 0));
        Refused("two tensors are called");
        Assert.Empty(Mapped());
    }

    private void Put(string name, byte[] bytes) => File.WriteAllBytes(_folder.PathOf(name), bytes);

    private void Write(params Action<Proto>[] initializers) => File.WriteAllBytes(ModelPath, OnnxFile.Model(initializers));

    private void Refused(string expected)
    {
        var error = Assert.Throws<CheckpointException>(() => Checkpoint.Open(ModelPath));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private IEnumerable<string> Mapped() =>
        File.ReadLines("/proc/self/maps").Where(line => line.Contains(_folder.Path, StringComparison.Ordinal))
            .Select(line => Path.GetFileName(line)).Distinct().Order(StringComparer.Ordinal);
}
