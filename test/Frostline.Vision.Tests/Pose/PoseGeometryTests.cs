using CsCheck;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

public sealed class PoseGeometryTests
{
    private static readonly Gen<PoseView> Views = Gen.Select(Gen.Double[-500, 2000], Gen.Double[-500, 2000], Gen.Double[1, 3000], Gen.Double[1, 3000])
        .SelectMany(box => Gen.Select(Gen.Double[-180, 180], Gen.Bool, (turn, flip) => new PoseView(box.Item1, box.Item2, box.Item3, box.Item4, turn, flip)));

    [Fact]
    public void Views_are_mapped_to_the_input_as_the_official_code_maps_them()
    {
        foreach (var one in PoseGolden.Cases("affine"))
        {
            double[] center = one.Numbers("center"), scale = one.Numbers("scale"), size = one.Numbers("output_size");
            var view = PoseView.OfScale(center[0], center[1], scale[0], scale[1], one.GetProperty("rot").GetDouble());
            var map = view.ToInput((int)size[0], (int)size[1]);
            AssertMap(one.Rows("trans"), map);
            AssertMap(one.Rows("trans_inv"), map.Inverse());
            var points = one.Rows("points");
            foreach (var (point, there, back) in points.Zip(one.Rows("points_fwd"), one.Rows("points_inv")))
            {
                AssertPoint(there, map.Apply(point[0], point[1]));
                AssertPoint(back, map.Inverse().Apply(point[0], point[1]));
            }
        }
    }

    [Fact]
    public void A_box_takes_the_networks_shape_and_a_quarter_more()
    {
        var wide = PoseView.Around(new Box(10, 20, 300, 100)).Fit(192 / 256.0);
        Assert.Equal(new PoseView(160, 70, 375, 500), wide);
        var tall = PoseView.Around(new Box(10, 20, 30, 100)).Fit(192 / 256.0, padding: 1);
        Assert.Equal(new PoseView(25, 70, 75, 100), tall);
        var map = tall.ToInput(192, 256);
        AssertPoint([0, 0], map.Apply(25 - 37.5, 20));
        AssertPoint([192, 256], map.Apply(25 + 37.5, 120));
    }

    [Fact]
    public void A_turned_view_shows_what_lay_to_the_right_above()
    {
        var map = new PoseView(100, 100, 50, 50, Rotation: 90).ToInput(50, 50);
        AssertPoint([25, 15], map.Apply(110, 100));
        AssertPoint([35, 25], map.Apply(100, 110));
    }

    [Fact]
    public void A_mirrored_view_is_that_of_the_mirrored_image() => Gen.Select(Views, Gen.Double[-100, 700], Gen.Double[-100, 500]).Holds(
        (view, x, y) =>
        {
            const int width = 640;
            var mirrored = view with { IsFlipped = true };
            // What the official code does: mirror the image, the points and the centre, then cut.
            var official = view with { CenterX = width - 1 - view.CenterX, IsFlipped = false };
            var (expectedX, expectedY) = official.ToInput(48, 64).Apply(width - 1 - x, y);
            AssertPoint([expectedX, expectedY], mirrored.ToInput(48, 64).Apply(x, y));
        },
        samples: 200);

    [Fact]
    public void A_map_and_its_inverse_lead_back() => Gen.Select(Views, Gen.Double[-1000, 3000], Gen.Double[-1000, 3000]).Holds(
        (view, x, y) =>
        {
            var map = view.ToInput(192, 256);
            var (inputX, inputY) = map.Apply(x, y);
            AssertPoint([x, y], map.Inverse().Apply(inputX, inputY), 1e-6);
            var length = Math.Sqrt((map.A * map.A) + (map.D * map.D));
            Assert.Equal(192 / view.Width, length, 1e-9 * length);
        },
        samples: 300);

    [Fact]
    public void Views_without_extent_and_flat_maps_are_refused()
    {
        Assert.Contains("shows nothing", Assert.Throws<FrostlineException>(() => new PoseView(1, 1, 0, 0).ToInput(4, 4)).Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => new PoseView(double.NaN, 1, 2, 2).ToInput(4, 4));
        Assert.Throws<FrostlineException>(() => new PoseView(1, 1, double.Epsilon, 2).ToInput(4, 4));
        Assert.Throws<FrostlineException>(() => new Affine(1, 2, 0, 2, 4, 0).Inverse());
        Assert.Equal(Affine.Identity, Affine.Identity.Inverse());
    }

    [Fact]
    public void Skeletons_name_their_joints_and_exchange_sides()
    {
        foreach (var skeleton in new[] { Skeleton.Coco, Skeleton.PoseTrack18, Skeleton.PoseTrack17, Skeleton.Lsp })
        {
            var count = skeleton.Joints.Count;
            Assert.Equal(count, skeleton.Joints.Distinct().Count());
            foreach (var (left, right) in skeleton.FlipPairs)
            {
                Assert.StartsWith("left_", skeleton.Joints[left], StringComparison.Ordinal);
                Assert.Equal(skeleton.Joints[left].Replace("left_", "right_", StringComparison.Ordinal), skeleton.Joints[right]);
            }

            Assert.Equal(skeleton.Joints.Count(name => name.StartsWith("left_", StringComparison.Ordinal)), skeleton.FlipPairs.Count);
            Assert.All(skeleton.Limbs, limb => Assert.True(limb.A >= 0 && limb.A < count && limb.B >= 0 && limb.B < count && limb.A != limb.B));
            Assert.Equal(
                skeleton.Joints.Where(name => !name.EndsWith("hip", StringComparison.Ordinal) && !name.EndsWith("knee", StringComparison.Ordinal)
                    && !name.EndsWith("ankle", StringComparison.Ordinal)),
                skeleton.UpperBody.Select(j => skeleton.Joints[j]));
            if (skeleton.Sigmas is { } sigmas)
                Assert.Equal(skeleton.Joints.Select(name => SigmaOf(name)), sigmas);
        }

        Assert.Equal(5, Skeleton.Coco.IndexOf("left_shoulder"));
        var error = Assert.Throws<FrostlineException>(() => Skeleton.Coco.IndexOf("left_sholder"));
        Assert.Contains("\"left_shoulder\"", error.Message, StringComparison.Ordinal);
    }

    private static double SigmaOf(string joint) =>
        Skeleton.Coco.Sigmas![joint is "head_bottom" or "head_top" ? 1 : Skeleton.Coco.IndexOf(joint)];

    private static void AssertMap(double[][] expected, Affine actual)
    {
        // The official code rounds to float32 before it solves for the map.
        double[] numbers = [actual.A, actual.B, actual.C, actual.D, actual.E, actual.F];
        double[] rows = [.. expected[0], .. expected[1]];
        for (var i = 0; i < numbers.Length; i++)
        {
            // Shares of a row against the row's greatest: an exact 0 comes out as 1e-16 there.
            var size = i % 3 == 2 ? Math.Max(1, Math.Abs(rows[i])) : rows.Where((_, j) => j % 3 != 2).Max(Math.Abs);
            Assert.True(Math.Abs(numbers[i] - rows[i]) <= 1e-5 * size, $"{numbers[i]} is not {rows[i]}");
        }
    }

    private static void AssertPoint(double[] expected, (double X, double Y) actual, double tolerance = 1e-4)
    {
        // The reference went through float32, which leaves 1e-7 of a coordinate.
        var scale = Math.Max(1, Math.Max(Math.Abs(expected[0]), Math.Abs(expected[1])) * 5e-3);
        Assert.Equal(expected[0], actual.X, tolerance * scale);
        Assert.Equal(expected[1], actual.Y, tolerance * scale);
    }
}
