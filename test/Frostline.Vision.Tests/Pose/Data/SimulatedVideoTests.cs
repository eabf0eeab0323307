using Frostline.Testing;
using Frostline.Vision.Data;
using Frostline.Vision.Pose;
using Xunit;
using TestPictures = Frostline.Vision.Tests.Data.Pictures;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Videos that are simulated from stills.</summary>
public sealed class SimulatedVideoTests : IDisposable
{
    private const int Width = 64, Height = 48;

    private readonly TemporaryFolder _folder = new();

    public SimulatedVideoTests()
    {
        TestPictures.Write(TestPictures.Slope(Height, Width), _folder.PathOf("a.png"));
        File.WriteAllText(_folder.PathOf("coco.json"), $$"""
            {
              "images": [{ "id": 1, "file_name": "a.png", "width": {{Width}}, "height": {{Height}} }],
              "annotations": [
                { "id": 1, "image_id": 1, "bbox": [10, 8, 40, 30], "keypoints": [20, 20, 2, 40, 25, 1, 0, 0, 0] },
                { "id": 2, "image_id": 1, "bbox": [10, 8, 40, 30], "keypoints": [20, 20, 2, 40, 25, 1, 0, 0, 0] }
              ],
              "categories": [{ "id": 1, "name": "x", "keypoints": ["a", "b", "c"] }]
            }
            """);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_key_frame_is_the_still_and_every_source_says_that_the_video_is_simulated()
    {
        var data = Open();
        Assert.Equal([-2, -1, 1, 2], data.Supports);
        var sample = data.Read(0);
        Assert.EndsWith("a.png#1 (simulated video)", sample.Source, StringComparison.Ordinal);
        Assert.Equal(sample.Source, data.SourceOf(0));
        var frames = ((FramesField)sample.Fields["image"]).Frames;
        Assert.Equal(5, frames.Count);
        Assert.Equal(TestPictures.Slope(Height, Width).Pixels, frames[0].Pixels);
        Assert.All(frames, frame => Assert.Equal((Width, Height), (frame.Width, frame.Height)));
        for (var i = 1; i < 5; i++) Assert.True(TestPictures.Difference(frames[0].Pixels, frames[i].Pixels).Mean > 1);
        var pose = (PoseField)sample.Fields["pose"];
        Assert.Equal(data.PersonOf(0).Annotation!.Joints, pose.Joints);
        Assert.Equal(data.PersonOf(0).Box, pose.Box);
        Assert.Equal(data.JointsOf(0, 0), pose.Joints);
    }

    [Fact]
    public void Joints_move_exactly_as_the_picture_does()
    {
        // A single bright square; where it is after the motion is measured in the picture.
        var still = new byte[Height * Width * 3];
        for (var y = 19; y <= 21; y++)
            for (var x = 19; x <= 21; x++)
                for (var c = 0; c < 3; c++) still[(((y * Width) + x) * 3) + c] = 200;
        TestPictures.Write(new ImageField(still, Height, Width, 3), _folder.PathOf("a.png"));
        var data = Open(new SimulatedVideoOptions { Shift = 0.1, Rotation = 5, Scale = 0.05 });
        for (var index = 0; index < 2; index++)
        {
            var frames = ((FramesField)data.Read(index).Fields["image"]).Frames;
            for (var frame = 0; frame < frames.Count; frame++)
            {
                double sum = 0, sumX = 0, sumY = 0;
                for (var i = 0; i < Width * Height; i++)
                    (sum, sumX, sumY) = (sum + frames[frame].Pixels[3 * i], sumX + (frames[frame].Pixels[3 * i] * (i % Width)), sumY + (frames[frame].Pixels[3 * i] * (i / Width)));
                var joints = data.JointsOf(index, frame);
                Assert.InRange(sumX / sum, joints[0].X - 0.1, joints[0].X + 0.1);
                Assert.InRange(sumY / sum, joints[0].Y - 0.1, joints[0].Y + 0.1);
                Assert.Equal([JointVisibility.Visible, JointVisibility.Hidden, JointVisibility.NotLabelled], joints.Select(joint => joint.Visibility));
                Assert.Equal(data.FramesOf(index)[frame].Motion.Apply(40, 25), (joints[1].X, joints[1].Y));
            }
        }
    }

    [Fact]
    public void Motion_depends_on_seed_and_index_alone()
    {
        var data = Open();
        Assert.Equal(data.FramesOf(0), Open().FramesOf(0));
        Assert.NotEqual(data.FramesOf(0), data.FramesOf(1));
        Assert.NotEqual(data.FramesOf(0), Open(seed: 2).FramesOf(0));
        Assert.Equal(data.FramesOf(0), Open(new SimulatedVideoOptions { Seed = 1 }, seed: 2).FramesOf(0));
        var (first, second) = ((FramesField)data.Read(0).Fields["image"], (FramesField)Open().Read(0).Fields["image"]);
        Assert.Equal(first.Frames.Select(frame => frame.Pixels), second.Frames.Select(frame => frame.Pixels));
        // Other supports see the same course.
        var some = Open(new SimulatedVideoOptions { Supports = [1, -2] }).FramesOf(0);
        Assert.Equal([data.FramesOf(0)[0], data.FramesOf(0)[3], data.FramesOf(0)[1]], some);
    }

    [Fact]
    public void Motion_is_smooth_and_keeps_its_limits_in_the_next_frames()
    {
        var options = new SimulatedVideoOptions { Supports = [-3, -2, -1, 1, 2, 3], Shift = 0.05, Rotation = 0, Scale = 0, Light = 0.1 };
        for (var seed = 0; seed < 50; seed++)
        {
            var frames = Open(options, seed).FramesOf(0).OrderBy(frame => frame.Offset).ToList();
            var (x, light) = (frames.Select(frame => frame.Motion.C).ToList(), frames.Select(frame => Math.Log(frame.Gain)).ToList());
            // The longer side of the box is 40 pixels.
            Assert.InRange(Math.Abs(x[2]), 0, 2);
            Assert.InRange(Math.Abs(x[4]), 0, 2);
            Assert.InRange(Math.Abs(light[4]), 0, 0.1);
            Assert.Equal(0, x[3]);
            // The change of speed is the same throughout.
            for (var i = 2; i < 6; i++)
            {
                Assert.Equal(x[1 - 1] - (2 * x[1]) + x[2], x[i - 1] - (2 * x[i]) + x[i + 1], 9);
                Assert.Equal(light[0] - (2 * light[1]) + light[2], light[i - 1] - (2 * light[i]) + light[i + 1], 9);
            }
        }
    }

    [Fact]
    public void Light_changes_grey_levels_in_proportion()
    {
        var data = Open(new SimulatedVideoOptions { Shift = 0, Rotation = 0, Scale = 0, Light = 0.3, Supports = [1] });
        var frames = ((FramesField)data.Read(0).Fields["image"]).Frames;
        var gain = data.FramesOf(0)[1].Gain;
        Assert.NotEqual(1, gain);
        Assert.Equal(frames[0].Pixels.Select(level => (byte)Math.Clamp(Math.Round(level * gain), 0, 255)), frames[1].Pixels);
    }

    [Fact]
    public void Rows_are_known_by_their_motion_and_the_key_frame_is_that_of_the_still()
    {
        var data = Open();
        var rows = data.Open(0)!.Rows;
        Assert.Equal(5, rows.Distinct().Count());
        Assert.Equal(rows, Open().Open(0)!.Rows);
        var other = Open(seed: 2).Open(0)!.Rows;
        Assert.Equal(rows[0], other[0]);
        Assert.Equal(9, rows.Concat(other).Distinct().Count());
        var stills = KeypointData.OpenCoco(new CocoKeypointsOptions { Annotations = "coco.json" }, TestPictures.Context(_folder.Path));
        Assert.Equal(rows[0], Assert.Single(stills.Open(0)!.Rows));
        Assert.Equal(["pose"], data.Open(0)!.Partial()!.Fields.Keys);
    }

    private SimulatedVideo Open(SimulatedVideoOptions? options = null, long seed = 1)
    {
        options ??= new SimulatedVideoOptions();
        options.Annotations = "coco.json";
        return SimulatedVideo.Open(options, TestPictures.Context(_folder.Path, seed: seed));
    }
}
