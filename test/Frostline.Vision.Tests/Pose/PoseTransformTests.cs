using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

public sealed class PoseTransformTests
{
    [Fact]
    public void Targets_are_those_of_the_official_code()
    {
        using var file = PoseGolden.Tensors("targets");
        var number = 0;
        foreach (var one in PoseGolden.Cases("targets"))
        {
            double[] image = one.Numbers("image_size"), map = one.Numbers("heatmap_size");
            int width = (int)map[0], height = (int)map[1];
            var joints = one.Rows("joints").Zip(one.Rows("joints_vis"), (p, v) => new Joint(p[0], p[1], (JointVisibility)(int)v[0])).ToList();
            var (heatmaps, weights) = PoseTargets.Draw(joints, width, height, image[0] / map[0], one.GetProperty("sigma").GetDouble());
            Assert.Equal(one.Numbers("target_weight"), weights.Select(w => (double)w));
            double[] peaks = one.Numbers("peak"), sums = one.Numbers("sum"), places = one.Numbers("argmax");
            for (var j = 0; j < joints.Count; j++)
            {
                var own = heatmaps.AsSpan(j * width * height, width * height).ToArray();
                Assert.Equal(peaks[j], own.Max(), 1e-6);
                Assert.Equal((int)places[j], Array.IndexOf(own, own.Max()));
                Assert.Equal(sums[j], own.Sum(v => (double)v), 1e-4);
            }

            foreach (var j in one.Numbers("full_joints").Select(j => (int)j))
            {
                var expected = file.Floats($"case{number}.joint{j}");
                for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], heatmaps[(j * expected.Length) + i], 1e-6f);
            }

            number++;
        }

        Assert.Equal(20, number);
    }

    [Fact]
    public void A_crop_cuts_what_the_view_shows_and_says_where_from()
    {
        var sample = Of(new Box(40, 20, 30, 40));
        Apply(sample, new PoseCrop { Width = 48, Height = 64, Padding = 1 });
        var image = Assert.IsType<ImageField>(sample.Fields["image"]);
        Assert.Equal((64, 48), (image.Height, image.Width));
        var pose = Assert.IsType<PoseField>(sample.Fields["pose"]);
        // 30 x 40 has the shape of 48 x 64 already: 1.6 times as large.
        Assert.Equal(new Affine(1.6, 0, -64, 0, 1.6, -32), Rounded(pose.ToInput!.Value));
        Assert.Equal(PoseWarp.Apply(Image(), pose.ToInput.Value, 48, 64).Pixels, image.Pixels);
        Assert.Equal([55f, 40f], Floats(sample, "center"));
        Assert.Equal([30f, 40f], Floats(sample, "size"));
        Assert.Equal([0f], Floats(sample, "rotation"));
        Assert.Equal([0L], (long[])sample.Fields["flipped"].ToTensor().Values);
        Assert.Equal([7L], (long[])sample.Fields["person"].ToTensor().Values);
        Assert.Equal([3L, 3L], [.. sample.Fields["pose"].ToTensor().Shape]);
        AssertNear([16, 24, 2, 8, 32, 1, 0, 0, 0], Floats(sample, "pose"));
        AssertNear([50, 35, 2, 45, 40, 1, 0, 0, 0], (float[])Pose(new Box(40, 20, 30, 40)).ToTensor().Values);
    }

    [Fact]
    public void Without_an_image_all_other_fields_are_the_same()
    {
        Sample whole = Of(new Box(40, 20, 30, 40)), partial = Of(new Box(40, 20, 30, 40), isPartial: true);
        ITransform[] chain =
        [
            new ColorJitter { Brightness = 0.5 }, new PoseAugment { HalfBodyJoints = 0 }, new PoseCrop { Width = 48, Height = 64 },
            new PoseTargets(), new Scale(),
        ];
        Assert.All(chain, transform => Assert.True(transform.TakesPartialSamples));
        Apply(whole, chain);
        Apply(partial, chain);
        Assert.Equal(whole.Fields.Keys.Except(["image"]).Order(), partial.Fields.Keys.Order());
        foreach (var (name, field) in partial.Fields) Assert.Equal(whole.Fields[name].ToTensor().Values, field.ToTensor().Values);
        Assert.Equal([3L, 16L, 12L], [.. partial.Fields["heatmap"].ToTensor().Shape]);
        Assert.Equal(1f, Floats(partial, "weight")[0]);
        Assert.Equal(0f, Floats(partial, "weight")[2]);
    }

    [Fact]
    public void A_mirrored_view_mirrors_the_cut_the_joints_and_their_targets()
    {
        Sample plain = Of(new Box(40, 20, 30, 40)), mirrored = Of(new Box(40, 20, 30, 40));
        ITransform[] after = [new PoseCrop { Width = 48, Height = 64 }, new PoseTargets { Stride = 1 }];
        Apply(plain, after);
        Apply(mirrored, [new PoseAugment { Scale = 0, Rotation = 0, HalfBody = 0, Flip = 1 }, .. after]);
        Assert.Equal([1L], (long[])mirrored.Fields["flipped"].ToTensor().Values);
        // Column c of the one is column 48 - c of the other, for the view's centre goes to 24; column 0 has no partner.
        float[] a = Floats(plain, "heatmap"), b = Floats(mirrored, "heatmap");
        int[] partner = [1, 0, 2];
        for (var j = 0; j < 3; j++)
            for (var y = 0; y < 64; y++)
                for (var x = 1; x < 48; x++) Assert.Equal(a[(((j * 64) + y) * 48) + x], b[(((partner[j] * 64) + y) * 48) + 48 - x], 1e-6f);
        var (image, reflected) = ((ImageField)plain.Fields["image"], (ImageField)mirrored.Fields["image"]);
        for (var y = 0; y < 64; y++)
            for (var x = 1; x < 48; x++) Assert.Equal(image.Pixels[3 * ((y * 48) + x)], (int)reflected.Pixels[3 * ((y * 48) + 48 - x)], 1.0);
    }

    [Fact]
    public void Mirrored_joints_are_those_of_the_official_code()
    {
        var json = PoseGolden.Json("flip");
        var width = json.GetProperty("width").GetInt32();
        var joints = json.Rows("joints").Zip(json.Rows("joints_vis"), (p, v) => new Joint(p[0], p[1], v[0] > 0 ? JointVisibility.Visible : JointVisibility.NotLabelled)).ToList();
        // The view whose mirror image is the image's own: the middle of its pixels goes to the middle of the input.
        var view = new PoseView((width / 2.0) - 1, width / 2.0, width, width, IsFlipped: true);
        var pose = new PoseField(0, joints, Skeleton.Coco, new Box(0, 0, width, width), view).WithInput(view, width, width);
        foreach (var (joint, place, seen) in pose.SeenJoints().Zip(json.Rows("flipped_joints"), json.Rows("flipped_vis")))
        {
            Assert.Equal(seen[0] > 0, joint.IsLabelled);
            Assert.Equal(place[0], joint.X, 1e-9);
            Assert.Equal(place[1], joint.Y, 1e-9);
        }
    }

    [Fact]
    public void Augmentation_stays_in_its_bounds_and_reaches_them()
    {
        var pose = Pose(new Box(40, 20, 30, 40));
        var views = Enumerable.Range(0, 2000).Select(i => Augmented(pose, new PoseAugment { HalfBody = 0 }, i)).ToList();
        Assert.All(views, view => Assert.InRange(view.Width / 30, 0.65 - 1e-9, 1.35 + 1e-9));
        Assert.All(views, view => Assert.InRange(view.Rotation, -90, 90));
        Assert.All(views, view => Assert.Equal((55.0, 40.0, 0.75), (view.CenterX, view.CenterY, Math.Round(view.Width / view.Height, 9))));
        // Parts of the normal distribution: 16 % beyond one deviation either way, 2.3 % beyond two of those that are turned at all.
        AssertPart(0.159, views, view => view.Width / 30 > 1.35 - 1e-9);
        AssertPart(0.159, views, view => view.Width / 30 < 0.65 + 1e-9);
        AssertPart(0.4, views, view => view.Rotation == 0);
        AssertPart(0.6 * 0.0228, views, view => view.Rotation == 90);
        AssertPart(0.5, views, view => view.IsFlipped);
    }

    [Fact]
    public void Half_a_person_is_seen_from_its_joints()
    {
        // Nine joints on the left edge above, and six below on the right, of 17.
        var joints = Skeleton.Coco.Joints.Select((_, j) => j < 9 ? new Joint(10 + j, 20, JointVisibility.Visible)
            : j < 11 ? default : new Joint(100, 200 + j, JointVisibility.Hidden)).ToList();
        var box = new Box(0, 0, 120, 240);
        var pose = new PoseField(0, joints, Skeleton.Coco, box, PoseView.Around(box));
        var options = new PoseAugment { Scale = 0, Rotation = 0, Flip = 0, HalfBody = 0.5 };
        var views = Enumerable.Range(0, 2000).Select(i => Augmented(pose, options, i)).ToList();
        var upper = new PoseView(14, 20, 8 * 1.2, 0);
        var lower = new PoseView(100, 213.5, 0, 5 * 1.2);
        Assert.All(views, view => Assert.True(view == PoseView.Around(box) || Near(view, upper) || Near(view, lower), $"{view}"));
        AssertPart(0.5, views, view => view == PoseView.Around(box));
        AssertPart(0.5 * 0.691, views, view => Near(view, upper));
        // Fifteen labelled joints are not more than fifteen.
        options = new PoseAugment { Scale = 0, Rotation = 0, Flip = 0, HalfBody = 1, HalfBodyJoints = 15 };
        Assert.All(Enumerable.Range(0, 50), i => Assert.Equal(PoseView.Around(box), Augmented(pose, options, i)));

        static bool Near(PoseView a, PoseView b) => Math.Abs(a.CenterX - b.CenterX) + Math.Abs(a.CenterY - b.CenterY) + Math.Abs(a.Width - b.Width)
            + Math.Abs(a.Height - b.Height) < 1e-9;
    }

    [Fact]
    public void Frames_are_all_cut_and_changed_alike()
    {
        var frames = new FramesField([Image(), Image(), Image()]);
        var sample = Of(new Box(40, 20, 30, 40));
        sample.Set("image", frames);
        Apply(
            sample, new ColorJitter { Brightness = 0.9, Hue = 0.5 }, new RandomErasing { Probability = 1, Fill = 0 }, new PoseCrop { Width = 32, Height = 64 },
            new ChannelOrder { Order = ColorOrder.Bgr }, new Normalize { Mean = [100], Std = [50] });
        var tensor = sample.Fields["image"].ToTensor();
        Assert.True(tensor.IsRows);
        Assert.Equal([3L, 3L, 64L, 32L], [.. tensor.Shape]);
        var values = (float[])tensor.Values;
        var first = values[..(values.Length / 3)];
        Assert.Equal(first, values[first.Length..(2 * first.Length)]);
        Assert.Equal(first, values[(2 * first.Length)..]);
        Assert.True(first.Distinct().Count() > 10);
        var unequal = new FramesField([Image(), Data.Pictures.Noise(5, 5)]);
        Assert.Contains("one size", Assert.Throws<FrostlineException>(() => unequal.ToTensor()).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new FramesField([]));
    }

    [Fact]
    public void Frames_without_a_pose_are_flipped_by_one_draw()
    {
        var sample = new Sample { Source = "frames" };
        sample.Set("image", new FramesField([Image(), Image()]));
        var flip = new Flip();
        for (var i = 0; i < 8; i++)
        {
            var outcome = flip.Draw(new CounterRandom(i, "flip"));
            flip.Apply(sample, new CounterRandom(i, "flip"));
            var now = (FramesField)sample.Fields["image"];
            Assert.Equal(now.Frames[0].Pixels, now.Frames[1].Pixels);
            Assert.Equal(outcome == 1, !now.Frames[0].Pixels.SequenceEqual(Image().Pixels));
            sample.Set("image", new FramesField([Image(), Image()]));
        }
    }

    [Fact]
    public void What_would_part_the_picture_from_its_joints_is_refused()
    {
        ITransform[] moving = [new Flip(), new Pad { Size = 2 }, new Resize { Size = 8 }, new CenterCrop { Size = 8 }, new RandomCrop { Size = 8 }];
        foreach (var transform in moving)
        {
            foreach (var isPartial in new[] { false, true })
            {
                var error = Assert.Throws<FrostlineException>(() => Apply(Of(new Box(0, 0, 9, 9), isPartial), transform));
                Assert.Contains("pose-augment and pose-crop", error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Wrong_orders_and_wrong_boxes_are_told()
    {
        AssertTold("put pose-crop before it", new PoseTargets());
        AssertTold("occurs twice", new PoseCrop { Width = 8, Height = 8 }, new PoseCrop { Width = 8, Height = 8 });
        AssertTold("before that", new PoseCrop { Width = 8, Height = 8 }, new PoseAugment());
        AssertTold("sides that 4 divides", new PoseCrop { Width = 8, Height = 10 }, new PoseTargets());
        AssertTold("PoseCrop.Width", new PoseCrop { Height = 8 });
        AssertTold("PoseAugment.Flip", new PoseAugment { Flip = 2 });
        AssertTold("PoseTargets.Sigma", new PoseTargets { Sigma = 0 });
        var empty = Assert.Throws<FrostlineException>(() => Apply(Of(new Box(3, 3, 0, 0)), new PoseCrop { Width = 8, Height = 8 }));
        Assert.StartsWith("person 7: ", empty.Message, StringComparison.Ordinal);
        var bare = new Sample { Source = "bare" };
        Assert.Contains("no pose", Assert.Throws<FrostlineException>(() => Apply(bare, new PoseTargets())).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new PoseField(0, [], Skeleton.Coco, default, default));
    }

    [Fact]
    public void Recipes_can_name_them()
    {
        var registry = new Registry().Add(new VisionExtension());
        foreach (var name in new[] { "pose-augment", "pose-crop", "pose-targets" }) Assert.Contains(name, registry.Transforms.Entries.Select(e => e.Name));
    }

    private static void AssertTold(string expected, params ITransform[] transforms)
    {
        var error = Assert.Throws<FrostlineException>(() => Apply(Of(new Box(2, 2, 20, 20)), transforms));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    private static void AssertPart(double expected, List<PoseView> views, Func<PoseView, bool> isOne) =>
        Assert.Equal(expected, views.Count(isOne) / (double)views.Count, 4 * Math.Sqrt(expected * (1 - expected) / views.Count));

    private static void AssertNear(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-4f);
    }

    private static PoseView Augmented(PoseField pose, PoseAugment transform, int index)
    {
        var sample = new Sample { Source = "person" };
        sample.Set("pose", pose);
        transform.Apply(sample, new CounterRandom(1, $"augment:{index}"));
        return ((PoseField)sample.Fields["pose"]).View;
    }

    private static ImageField Image() => Data.Pictures.Noise(80, 100);

    /// <summary>A person of three joints, the first two a pair, the last not labelled.</summary>
    private static PoseField Pose(Box box) => new(
        7,
        [new Joint(50, 35, JointVisibility.Visible), new Joint(45, 40, JointVisibility.Hidden), new Joint(9, 9, JointVisibility.NotLabelled)],
        new Skeleton(["left", "right", "middle"]) { FlipPairs = [(0, 1)], UpperBody = [0, 1] },
        box,
        PoseView.Around(box));

    private static Sample Of(Box box, bool isPartial = false)
    {
        var sample = new Sample { Source = "person 7", IsPartial = isPartial };
        if (!isPartial) sample.Set("image", Image());
        sample.Set("pose", Pose(box));
        return sample;
    }

    private static void Apply(Sample sample, params ITransform[] transforms)
    {
        var random = new CounterRandom(5, "pose");
        foreach (var transform in transforms) transform.Apply(sample, random);
    }

    private static float[] Floats(Sample sample, string name) => (float[])sample.Fields[name].ToTensor().Values;

    private static Affine Rounded(Affine map) => new(
        Math.Round(map.A, 9), Math.Round(map.B, 9), Math.Round(map.C, 9), Math.Round(map.D, 9), Math.Round(map.E, 9), Math.Round(map.F, 9));
}
