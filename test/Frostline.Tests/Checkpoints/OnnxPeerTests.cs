using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Models that Python's torch exports, bit for bit.</summary>
public sealed class OnnxPeerTests
{
    private const string Export =
        """
        import sys, warnings, torch
        warnings.simplefilter("ignore")
        torch.manual_seed(3)
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
                self.head = torch.nn.Linear(4 * 36, 5)
                self.register_buffer("shift", torch.arange(5))
            def forward(self, x):
                return self.head(self.features(x).flatten(1)) + self.shift + 7.5
        net = Net().eval()
        with torch.no_grad():
            for p in net.parameters(): p.normal_()
            net.features[1].running_mean.normal_()
            net.features[1].running_var.uniform_(0.5, 2)
        # Where the mode is to be preserved, the exporter does not fold the norm into the convolution.
        torch.onnx.export(net, torch.randn(1, 3, 8, 8), sys.argv[1], export_params=True, do_constant_folding=False,
            keep_initializers_as_inputs=True, opset_version=13, training=torch.onnx.TrainingMode.PRESERVE)
        for name, t in net.state_dict().items():
            if name.endswith("num_batches_tracked"): continue
            print(name, str(t.dtype)[6:], "x".join(map(str, t.shape)), t.detach().contiguous().numpy().tobytes().hex(), sep="|")
        """;

    [Fact]
    public void Every_initialiser_is_what_the_network_had()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("net");
        var expected = PythonPeer.Run("torch", Export, path).ReplaceLineEndings("\n").TrimEnd('\n').Split('\n')
            .ToDictionary(line => line[..line.IndexOf('|', StringComparison.Ordinal)]);
        using var checkpoint = Checkpoint.Open(path);
        Assert.Equal(CheckpointFormat.Onnx, checkpoint.Format);
        Assert.Equal("pytorch", checkpoint.Metadata["producer_name"]);
        Assert.Equal("13", checkpoint.Metadata["opset"]);
        foreach (var (name, line) in expected)
        {
            var tensor = checkpoint.Find(name);
            var shape = string.Join('x', tensor.Shape.Select(size => size.ToString(CultureInfo.InvariantCulture)));
            Assert.Equal(line, $"{name}|{tensor.Type.ToString().ToLowerInvariant()}|{shape}|{Convert.ToHexStringLower(checkpoint.Read(name))}");
        }

        // What is added at the end is a Constant node.
        var constant = Assert.Single(checkpoint.Tensors, tensor => !expected.ContainsKey(tensor.Name));
        Assert.Equal("7.5", Assert.Single(TensorPrinter.First(checkpoint, constant, 2)));
    }
}
