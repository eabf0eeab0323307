using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Pose;

[Collection("libtorch")]
public sealed class FlipTestTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Mirrored_heatmaps_are_turned_back_as_the_official_code_does(bool shift)
    {
        using var scope = NewDisposeScope();
        using var golden = Golden.Open("golden/pose/flip.safetensors");
        var (heatmaps, expected) = (golden["heatmaps"], golden["flip_back"]);
        // The network draws nothing for the image itself, so that half of what comes back is the mirror image's.
        var calls = 0;
        var answer = new FlipTest(new FlipTestOptions { Shift = shift }, Skeleton.Coco).Run(
            _ => new Dictionary<string, Tensor> { ["heatmaps"] = calls++ == 0 ? zeros_like(heatmaps) : heatmaps },
            ["image"],
            new Dictionary<string, Tensor> { ["image"] = zeros(2, 3, 16, 24) });
        var (back, mirrored) = (answer["heatmaps"].data<float>().ToArray(), expected.data<float>().ToArray());
        for (var i = 0; i < back.Length; i++) Assert.Equal(mirrored[!shift || i % 6 == 0 ? i : i - 1] / 2, back[i]);
    }
}
