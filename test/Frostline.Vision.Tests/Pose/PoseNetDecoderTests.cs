using CsCheck;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Pose;

[Collection(LibTorchCollection.Name)]
public sealed class PoseNetDecoderTests
{
    [Fact]
    public void A_joint_is_the_best_point_moved_by_its_offset_down_and_to_the_right()
    {
        // Two joints on maps of 2 x 3 points.
        float[] heatmap = [0, 1, 0, -1, 0, 2, -3, float.NaN, -2, -1, -4, -5];
        var offset = new float[24];
        (offset[5], offset[12 + 5]) = (-3.5f, 6);
        (offset[6 + 3], offset[12 + 6 + 3]) = (1.25f, -2);
        var joints = PoseNetDecoder.Decode(heatmap, offset, height: 2, width: 3, stride: 16);
        Assert.Equal(2, joints.Count);
        Assert.Equal((38, 12.5, 1 / (1 + Math.Exp(-2))), (joints[0].X, joints[0].Y, joints[0].Score));
        Assert.Equal((-2, 17.25, 1 / (1 + Math.Exp(1))), (joints[1].X, joints[1].Y, joints[1].Score));
    }

    [Fact]
    public void Each_image_of_a_batch_is_decoded_by_itself()
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        var (heatmap, offset) = (randn(3, 4, 5, 6), randn(3, 8, 5, 6));
        var all = PoseNetDecoder.Decode(heatmap, offset, 8);
        Assert.Equal(3, all.Count);
        for (var i = 0; i < 3; i++)
            Assert.Equal(Assert.Single(PoseNetDecoder.Decode(heatmap.slice(0, i, i + 1, 1), offset.slice(0, i, i + 1, 1), 8)), all[i]);
    }

    /// <summary>Wherever a joint's point is and whatever its offset, it is found there.</summary>
    [Fact]
    public void What_is_drawn_is_found() =>
        Gen.Select(Gen.Int[1, 9], Gen.Int[1, 9], Gen.Int[0, 80], Gen.Float[-40, 40], Gen.Float[-40, 40]).Holds(
            sample =>
            {
                var (height, width, place, down, right) = sample;
                var points = height * width;
                var (heatmap, offset) = (new float[points], new float[2 * points]);
                Array.Fill(heatmap, -5);
                place %= points;
                (heatmap[place], offset[place], offset[points + place]) = (3, down, right);
                var joint = Assert.Single(PoseNetDecoder.Decode(heatmap, offset, height, width, 16));
                Assert.Equal(((place % width * 16.0) + right, (place / width * 16.0) + down), (joint.X, joint.Y));
            },
            samples: 200);

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        Assert.Contains("[1, 4, 5, 6] and [1, 4, 5, 6]", Assert.Throws<FrostlineException>(() => PoseNetDecoder.Decode(zeros(1, 4, 5, 6), zeros(1, 4, 5, 6), 16)).Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => PoseNetDecoder.Decode(new float[5], new float[10], 2, 3, 16));
        Assert.Throws<FrostlineException>(() => PoseNetDecoder.Decode(new float[6], new float[6], 2, 3, 16));
    }
}
