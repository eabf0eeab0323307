using CsCheck;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

public sealed class HeatmapDecoderTests
{
    private static readonly Skeleton Five = new(["a", "b", "c", "d", "e"]);

    [Fact]
    public void Joints_are_found_where_the_official_code_finds_them()
    {
        using var file = PoseGolden.Tensors("decode");
        foreach (var one in PoseGolden.Cases("decode"))
        {
            var heatmaps = file.Floats(one.GetProperty("heatmap_key").GetString()!);
            double[] center = one.Numbers("center"), scale = one.Numbers("scale");
            var view = PoseView.OfScale(center[0], center[1], scale[0], scale[1]);
            foreach (var (refinement, key) in new[] { (HeatmapRefinement.Quarter, "preds_post"), (HeatmapRefinement.None, "preds_nopost") })
            {
                var joints = new HeatmapDecoder { Refinement = refinement }.Decode(heatmaps, 32, 24, view, Five);
                foreach (var (joint, place, score) in joints.Zip(one.Rows(key), one.Numbers("maxvals")))
                {
                    // The reference is in float32, whose steps are 6e-5 at 600 pixels.
                    Assert.Equal(place[0], joint.X, 1e-4 + (2e-7 * Math.Abs(place[0])));
                    Assert.Equal(place[1], joint.Y, 1e-4 + (2e-7 * Math.Abs(place[1])));
                    Assert.Equal(score, joint.Score);
                }
            }
        }
    }

    [Fact]
    public void Dark_finds_the_place_of_a_Gaussian_within_a_tenth_of_a_pixel() => Gen.Select(Gen.Double[4, 19], Gen.Double[4, 27], Gen.Double[0.1, 1]).Holds(
        (x, y, height) =>
        {
            var map = new float[32 * 24];
            for (var row = 0; row < 32; row++)
                for (var column = 0; column < 24; column++)
                    map[(row * 24) + column] = (float)(height * Math.Exp(-(((column - x) * (column - x)) + ((row - y) * (row - y))) / 8));
            var dark = new HeatmapDecoder { Refinement = HeatmapRefinement.Dark }.Peak(map, 32, 24);
            Assert.Equal(x, dark.X, 0.1);
            Assert.Equal(y, dark.Y, 0.1);
            Assert.Equal(map.Max(), dark.Score);
            // A quarter of a pixel leaves up to a quarter.
            var quarter = new HeatmapDecoder().Peak(map, 32, 24);
            Assert.Equal(x, quarter.X, 0.2501);
        },
        samples: 100);

    [Fact]
    public void Targets_are_found_again_where_they_were_drawn() => Gen.Select(
        Gen.Double[0, 600], Gen.Double[0, 400], Gen.Double[-90, 90], Gen.Bool).Holds(
        (x, y, rotation, isFlipped) =>
        {
            var skeleton = new Skeleton(["left", "right"]) { FlipPairs = [(0, 1)] };
            var view = new PoseView(300, 200, 480, 640, rotation, isFlipped);
            Joint[] joints = [new(x, y, JointVisibility.Visible), new(290, 210, JointVisibility.Visible)];
            var pose = new PoseField(0, joints, skeleton, default, view).WithInput(view, 192, 256);
            var seen = pose.SeenJoints();
            if (seen.Any(joint => joint.X < 1 || joint.Y < 1 || joint.X > 188 || joint.Y > 252)) return;
            var (heatmaps, _) = PoseTargets.Draw(seen, 48, 64, 4, 2);
            var found = new HeatmapDecoder { Refinement = HeatmapRefinement.None }.Decode(heatmaps, 64, 48, view, skeleton);
            for (var j = 0; j < 2; j++)
            {
                // Half a pixel of the heatmap each way is 5 pixels of the image each.
                var distance = Math.Sqrt(Math.Pow(found[j].X - joints[j].X, 2) + Math.Pow(found[j].Y - joints[j].Y, 2));
                Assert.InRange(distance, 0, (5 * Math.Sqrt(2)) + 1e-6);
            }
        },
        samples: 200);

    [Fact]
    public void Maps_without_a_peak_stay_in_the_corner_and_wrong_shapes_are_told()
    {
        var decoder = new HeatmapDecoder { Refinement = HeatmapRefinement.Dark };
        Assert.Equal((0, 0, 0), decoder.Peak([float.NaN, float.NaN, float.NaN, float.NaN], 2, 2));
        Assert.Equal((0, 0, -1), decoder.Peak([-3, -1, -2, -1], 2, 2));
        Assert.Equal((1, 1, 2), decoder.Peak([1, 1, 1, 2], 2, 2));
        var flat = Enumerable.Repeat(1f, 100).ToArray();
        Assert.Equal((0, 0, 1), decoder.Peak(flat, 10, 10));
        flat[45] = 1.5f;
        var (x, y, _) = decoder.Peak(flat, 10, 10);
        Assert.InRange(x, 4, 6);
        Assert.InRange(y, 3, 5);
        var error = Assert.Throws<FrostlineException>(() => decoder.Decode(flat, 10, 10, new PoseView(1, 1, 1, 1), Five));
        Assert.Contains("[5, 10, 10]", error.Message, StringComparison.Ordinal);
    }
}
