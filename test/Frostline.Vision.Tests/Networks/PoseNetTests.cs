using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Vision.Data;
using Frostline.Vision.Networks;
using Frostline.Vision.Pose;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Networks;

/// <summary>MobileNetV1, and PoseNet with its published weights.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class PoseNetTests
{
    private const string Weights = "data/posenet-mobilenet075/posenet_mobilenet075.safetensors";

    [Fact]
    public void With_its_real_weights_it_computes_what_PyTorch_computes()
    {
        using var golden = Golden.Open("golden/posenet_mobilenet075.safetensors");
        using var network = new PoseNet();
        RealWeights.Load(network, Weights);
        network.eval();
        Assert.Equal(1_258_195, network.parameters().Sum(p => p.numel()));
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var image = DeterministicFill.Input("posenet", 2, 3, 257, 257).div(tensor(1.5f));
        var outputs = StagedForward.Run(network, Named(image), ["block13", .. network.Outputs]);
        golden.AssertClose("features", outputs["block13"], 1e-4);
        foreach (var name in network.Outputs) golden.AssertClose(name, outputs[name], 1e-4);
        var (heatmap, offset) = network.forward(image);
        Assert.True(heatmap.Equals(outputs["heatmap"]));
        Assert.True(offset.Equals(outputs["offset"]));
    }

    [Fact]
    public void Its_backbone_is_a_MobileNetV1_into_which_its_file_loads_without_a_map_of_names()
    {
        using var golden = Golden.Open("golden/posenet_mobilenet075.safetensors");
        using var network = DeferredInitialization.Construct(() => new MobileNetV1(0.75, classes: 3, outputStride: 16, norms: false, lastChannels: 512));
        using var file = Checkpoint.Open(Fixtures.PathOf(Weights));
        var report = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Load("features.**", file, KeyMap.Identity).Apply(network, seed: 1);
        Assert.Equal(54, report.Loaded.Count);
        network.eval();
        using var scope = NewDisposeScope();
        using var guard = torch.no_grad();
        var image = DeterministicFill.Input("posenet", 2, 3, 257, 257).div(tensor(1.5f));
        golden.AssertClose("features", StagedForward.Run(network, Named(image), ["block13"])["block13"], 1e-4);
    }

    /// <summary>The paper's tables 8 to 10: parameters and multiply-adds at 224 x 224 in millions.</summary>
    [Theory]
    [InlineData(1, 4.2, 569)]
    [InlineData(0.75, 2.6, 325)]
    [InlineData(0.5, 1.3, 149)]
    [InlineData(0.25, 0.5, 41)]
    public void MobileNetV1_has_its_published_size(double multiplier, double parameters, double multiplyAdds)
    {
        using var network = new MobileNetV1(multiplier);
        Assert.Equal(parameters, network.parameters().Sum(p => p.numel()) / 1e6, 0.06);
        Assert.Equal(multiplyAdds, NetworkCost.Of(network, 1, 3, 224, 224).MultiplyAdds / 1e6, 1.0);
        var map = StageMap.Of(network);
        Assert.Equal(["stem", .. Enumerable.Range(1, 13).Select(i => $"block{i}"), "pool", "head"], map.Stages);
        Assert.Equal("block13", map.StageOf("features.13.pointwise_bn.running_mean"));
    }

    [Theory]
    [InlineData(32, 8, true)]
    [InlineData(16, 15, true)]
    [InlineData(8, 29, false)]
    public void The_output_stride_sets_the_last_maps_size(int stride, long size, bool norms)
    {
        using var network = new MobileNetV1(0.25, classes: 5, outputStride: stride, norms: norms);
        network.eval();
        using var scope = NewDisposeScope();
        var outputs = StagedForward.Run(network, Named(torch.randn(2, 3, 225, 225)), ["block13", "logits"]);
        Assert.Equal([2L, 256, size, size], outputs["block13"].shape);
        Assert.Equal([2L, 5], outputs["logits"].shape);
    }

    [Fact]
    public void Numbers_that_cannot_be_built_are_refused()
    {
        Assert.Contains("an output stride of 4", Assert.Throws<FrostlineException>(() => new MobileNetV1(outputStride: 4)).Message, StringComparison.Ordinal);
        Assert.Contains("a multiplier of 0.01", Assert.Throws<FrostlineException>(() => new MobileNetV1(0.01)).Message, StringComparison.Ordinal);
        Assert.Contains("at least two joints", Assert.Throws<FrostlineException>(() => new PoseNet(joints: 1)).Message, StringComparison.Ordinal);
        using var network = new PoseNet(0.25);
        using var image = torch.zeros(1, 1, 65, 65);
        Assert.Contains("3 channels", Assert.Throws<FrostlineException>(() => network.forward(image)).Message, StringComparison.Ordinal);
    }

    /// <summary>Photographs of athletes with roughly marked joints: those of which the network is sure are mostly near the marks, by the torso's length.</summary>
    [Fact]
    public void It_finds_the_joints_of_people_in_photographs()
    {
        using var network = new PoseNet();
        RealWeights.Load(network, Weights);
        network.eval();
        using var guard = torch.no_grad();
        var (found, all) = (0, 0);
        foreach (var person in People(24))
        {
            using var scope = NewDisposeScope();
            var (image, left, top, scale) = Square(person.Path, person.Box);
            var (heatmap, offset) = network.forward(image);
            var joints = Assert.Single(PoseNetDecoder.Decode(heatmap, offset, network.OutputStride));
            Assert.Equal(17, joints.Count);
            Assert.All(joints, joint => Assert.InRange(joint.Score, 0, 1));
            foreach (var (ours, theirs) in s_pairs)
            {
                if (joints[ours].Score < 0.7) continue;
                var (x, y) = ((joints[ours].X * scale) + left, (joints[ours].Y * scale) + top);
                all++;
                if (Math.Sqrt(Math.Pow(x - person.X[theirs], 2) + Math.Pow(y - person.Y[theirs], 2)) < 0.2 * person.Torso) found++;
            }
        }

        Assert.InRange(all, 100, 24 * s_pairs.Length);
        Assert.InRange(found / (double)all, 0.4, 1);
    }

    /// <summary>A square around a box, black beyond the picture, as the network reads it, and where its pixels were.</summary>
    private static (Tensor Image, double Left, double Top, double Scale) Square(string path, double[] box)
    {
        var picture = ImageFile.Decode(path);
        var side = (int)(1.25 * Math.Max(box[2], box[3])) + 1;
        var (left, top) = ((int)(box[0] + (box[2] / 2) - (side / 2.0)), (int)(box[1] + (box[3] / 2) - (side / 2.0)));
        var square = new byte[side * side * 3];
        for (var row = Math.Max(0, -top); row < side && row + top < picture.Height; row++)
        {
            var (from, to) = (Math.Max(0, -left), Math.Min(side, picture.Width - left));
            if (to > from) picture.Pixels.AsSpan((((row + top) * picture.Width) + from + left) * 3, (to - from) * 3).CopyTo(square.AsSpan(((row * side) + from) * 3));
        }

        var pixels = Resampler.Resize(square, side, side, 3, 257, 257, Interpolation.Bilinear);
        var image = torch.tensor(pixels.Select(value => (value / 127.5f) - 1).ToArray(), [257, 257, 3]).permute(2, 0, 1).unsqueeze(0).contiguous();
        return (image, left, top, side / 257.0);
    }

    // Joints of COCO and of LSPET: shoulders, elbows, wrists, hips, knees, ankles.
    private static readonly (int Ours, int Theirs)[] s_pairs =
        [(5, 9), (6, 8), (7, 10), (8, 7), (9, 11), (10, 6), (11, 3), (12, 2), (13, 4), (14, 1), (15, 5), (16, 0)];

    private static IEnumerable<(string Path, double[] Box, double[] X, double[] Y, double Torso)> People(int count)
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(Fixtures.PathOf("data/lspet/val.json")));
        var names = file.RootElement.GetProperty("images").EnumerateArray().ToDictionary(image => image.GetProperty("id").GetInt64(), image => image.GetProperty("file_name").GetString()!);
        foreach (var person in file.RootElement.GetProperty("annotations").EnumerateArray().Take(count))
        {
            var numbers = person.GetProperty("keypoints").EnumerateArray().Select(number => number.GetDouble()).Chunk(3).ToArray();
            double[] x = [.. numbers.Select(joint => joint[0])], y = [.. numbers.Select(joint => joint[1])];
            yield return (
                Fixtures.PathOf($"data/lspet/images/{names[person.GetProperty("image_id").GetInt64()]}"),
                [.. person.GetProperty("bbox").EnumerateArray().Select(number => number.GetDouble())], x, y,
                Math.Sqrt(Math.Pow(x[9] - x[2], 2) + Math.Pow(y[9] - y[2], 2)));
        }
    }

    private static Dictionary<string, Tensor> Named(Tensor image) => new(StringComparer.Ordinal) { ["image"] = image };
}
