using System.Text.Json;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Vision.Data;
using Frostline.Vision.Networks;
using Frostline.Vision.Pose;
using Frostline.Vision.Tests.Jobs;
using TorchSharp;
using Xunit;

namespace Frostline.Vision.Tests.Pose.Prediction;

/// <summary>Joints of the football players in PoseTrack's clip, by PoseNet with its published weights; the pictures have been looked at.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class PosePredictJobTests
{
    private const string Clip = "data/posetrack18-sample/videos/000001_mpiinew_test";
    private const string Weights = "data/posenet-mobilenet075/posenet_mobilenet075.safetensors";

    // The player in white, whose legs and arms are apart.
    private const string Boxes = """[{"image": "000000.jpg", "bbox": [380, 260, 180, 330]}, {"image": "000003.jpg", "bbox": [380, 260, 180, 330], "score": 0.5}]""";

    [Fact]
    public void A_clip_gives_five_overlays_and_the_joints_of_each_frame()
    {
        using var folder = new TemporaryFolder();
        using var model = PoseNet();
        var result = new PosePredictJob(model, new PosePredictOptions { Output = folder.Path }).Run([Fixtures.PathOf(Clip)]);
        Assert.Equal(["000000.png", "000001.png", "000002.png", "000003.png", "000004.png"], NamesIn(folder.PathOf("overlays")));
        Assert.Equal(5, NamesIn(folder.PathOf("heatmaps")).Count);
        Assert.Equal(Skeleton.Coco.Joints, result.Skeleton.Joints);

        using var json = JsonDocument.Parse(File.ReadAllBytes(folder.PathOf("keypoints.json")));
        var frames = json.RootElement.GetProperty("frames").EnumerateArray().ToList();
        Assert.Equal([0, 1, 2, 3, 4], frames.Select(frame => frame.GetProperty("number").GetInt32()));
        // As it was when the pictures were looked at: the nose, the left shoulder and the right ankle of the player in white.
        AssertJoint(frames[0], "nose", 457.2, 303.2);
        AssertJoint(frames[0], "left_shoulder", 475.1, 334.2);
        AssertJoint(frames[1], "right_ankle", 457.1, 522.0);
        Assert.Equal([0.0, 0, 1280, 720], Person(frames[0]).GetProperty("box").EnumerateArray().Select(side => side.GetDouble()));
    }

    [Fact]
    public void Overlays_show_each_joint_in_its_colour()
    {
        using var folder = new TemporaryFolder();
        using var model = PoseNet();
        File.WriteAllText(folder.PathOf("boxes.json"), Boxes);
        var result = new PosePredictJob(model, new PosePredictOptions
        {
            Output = folder.PathOf("out"),
            Boxes = PersonBoxes.Read(folder.PathOf("boxes.json")),
            Pictures = PosePictures.Overlays,
        }).Run([Fixtures.PathOf(Clip)]);
        Assert.Equal(["000000.png", "000003.png"], NamesIn(folder.PathOf("out/overlays")));
        Assert.False(Directory.Exists(folder.PathOf("out/heatmaps")));
        var (box, person) = Assert.Single(result.Frames[0].People);
        Assert.Equal(new Box(380, 260, 180, 330), box);
        var picture = ImageFile.Decode(folder.PathOf("out/overlays/000000.png"));
        Assert.Equal((720, 1280), (picture.Height, picture.Width));
        // The last joint lies above all others.
        var last = person.Joints[^1];
        Assert.True(last.Score > 0.2);
        var at = ((((int)Math.Round(last.Y) * picture.Width) + (int)Math.Round(last.X)) * 3);
        Assert.Equal(PoseOverlay.ColourOf(16, 17), (picture.Pixels[at], picture.Pixels[at + 1], picture.Pixels[at + 2]));
        // The box's score is part of the person's.
        Assert.InRange(result.Frames[3].People[0].Person.Score, 0.2, 0.5);
        Assert.Empty(result.Frames[1].People);
        // The player stands within the box, head up.
        var (nose, ankle) = (person.Joints[0], person.Joints[16]);
        Assert.True(nose.Y < person.Joints[5].Y && person.Joints[5].Y < person.Joints[11].Y && person.Joints[11].Y < ankle.Y);
        Assert.InRange(nose.X, 420, 500);
    }

    [Fact]
    public void A_video_gives_what_its_frames_give()
    {
        VideoFramesTests.RequireFfmpeg();
        using var folder = new TemporaryFolder();
        using var model = PoseNet();
        // One player, so that no joint is found now at one and now at the other.
        const string box = "[380, 260, 180, 330]";
        var boxes = Enumerable.Range(0, 5).Select(i => $"{{\"frame\": {i}, \"bbox\": {box}}}, {{\"image\": \"00000{i}.jpg\", \"bbox\": {box}}}");
        File.WriteAllText(folder.PathOf("boxes.json"), $"[{string.Join(", ", boxes)}]");
        var options = new PosePredictOptions
        {
            Output = folder.PathOf("video"),
            Boxes = PersonBoxes.Read(folder.PathOf("boxes.json")),
            Pictures = PosePictures.Overlays,
        };
        var video = new PosePredictJob(model, options).Run([Fixtures.PathOf($"{Clip}/000001_mpiinew_test.mp4")]);
        var frames = new PosePredictJob(model, options with { Output = folder.PathOf("frames") }).Run([Fixtures.PathOf(Clip)]);
        Assert.Equal(5, video.Frames.Count);
        Assert.Equal(5, NamesIn(folder.PathOf("video/overlays")).Count);
        // The video was compressed anew; the best joints stay where they are.
        foreach (var (one, other) in video.Frames.Zip(frames.Frames))
            for (var joint = 5; joint < 17; joint += 6)
                Assert.InRange(Math.Abs(one.People[0].Person.Joints[joint].Y - other.People[0].Person.Joints[joint].Y), 0, 6);
    }

    [Fact]
    public void Taps_of_an_HRNet_are_written_as_grids_and_supports_of_a_video_network_are_the_frames_around()
    {
        using var folder = new TemporaryFolder();
        Save(new HRNetPose(8), folder.PathOf("hrnet.safetensors"));
        using (var model = Open("{ name: hrnet-pose, width: 8, joints: 17 }", folder.PathOf("hrnet.safetensors"), 64, 96))
        {
            var result = new PosePredictJob(model, new PosePredictOptions { Output = folder.PathOf("hrnet") }).Run([Fixtures.PathOf($"{Clip}/000002.jpg")]);
            Assert.Equal(
                ["000002-0-stage2.0.png", "000002-0-stage3.0.png", "000002-0-stage4.0.png", "000002-0-transition1.0.png"], NamesIn(folder.PathOf("hrnet/taps")));
            // Eight maps of 24 x 16, each pixel doubled, with gaps of two.
            var tap = ImageFile.Decode(folder.PathOf("hrnet/taps/000002-0-stage3.0.png"));
            Assert.Equal((52, 274), (tap.Height, tap.Width));
            Assert.Contains("heatmaps/000002-0.png", result.Files);
            Assert.Contains(
                "did you mean \"stage2.0\"",
                Assert.Throws<FrostlineException>(() => new PosePredictJob(model, new PosePredictOptions { Output = folder.Path, Taps = ["stage2"] })).Message,
                StringComparison.Ordinal);
        }

        Save(new FamiPose(new FamiPoseLayout(new HRNetLayout(8)) { Joints = 17, Height = 96, Width = 64 }), folder.PathOf("fami.safetensors"));
        using var video = Open("{ name: fami-pose, width: 8, joints: 17, input-height: 96, input-width: 64 }", folder.PathOf("fami.safetensors"), 64, 96);
        Assert.Equal([-2, -1, 1, 2], ((IVideoPoseNetwork)video.Network).FrameOffsets);
        var found = new PosePredictJob(video, new PosePredictOptions { Output = folder.PathOf("fami"), Pictures = PosePictures.None }).Run([Fixtures.PathOf(Clip)]);
        Assert.Equal(5, found.Frames.Count);
        Assert.Equal(["keypoints.json"], found.Files);
    }

    [Fact]
    public void What_cannot_be_predicted_is_said()
    {
        using var folder = new TemporaryFolder();
        using var model = PoseNet();
        File.WriteAllText(folder.PathOf("boxes.json"), """[{"image": "other.jpg", "bbox": [1, 2, 3, 4]}]""");
        var options = new PosePredictOptions { Output = folder.PathOf("out"), Boxes = PersonBoxes.Read(folder.PathOf("boxes.json")) };
        var error = Assert.Throws<FrostlineException>(() => new PosePredictJob(model, options).Run([Fixtures.PathOf(Clip)]));
        Assert.Contains("none of the 5 frames has a box", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.PathOf("out")));
        using (var damaged = new HRNetPose(8))
        {
            new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(damaged, seed: 1);
            using (var noGrad = torch.no_grad())
            using (Scalar nan = double.NaN)
                damaged.get_parameter("final_layer.bias")!.fill_(nan);
            ModelFile.Save(damaged, folder.PathOf("damaged.safetensors"));
        }

        using var broken = Open("{ name: hrnet-pose, width: 8, joints: 17 }", folder.PathOf("damaged.safetensors"), 64, 96);
        Assert.Contains(
            "numbers that are none",
            Assert.Throws<FrostlineException>(() => new PosePredictJob(broken, options with { Boxes = null }).Run([Fixtures.PathOf(Clip)])).Message,
            StringComparison.Ordinal);
        Directory.CreateDirectory(folder.PathOf("empty"));
        Assert.Contains(
            "has no images", Assert.Throws<FrostlineException>(() => new PosePredictJob(model, options).Run([folder.PathOf("empty")])).Message, StringComparison.Ordinal);
    }

    private static LoadedModel PoseNet() => Open("{ name: posenet, joints: 17 }", Fixtures.PathOf(Weights), 257, 257, "- value-range: { from: -1, to: 1 }");

    private static LoadedModel Open(string model, string weights, int width, int height, string values = "- scale: 255") => LoadedModel.Open(
        RecipeRun.Parse($$"""
            version: 1
            threads: 2
            model: {{model}}
            data:
              train: { name: coco-keypoints, annotations: {{Fixtures.PathOf("data/coco-sample/test_coco.json")}} }
              transform:
                - pose-crop: { width: {{width}}, height: {{height}}, padding: 1 }
                {{values}}
            """),
        weights,
        RecipeRun.Registry());

    private static void Save(torch.nn.Module network, string path)
    {
        using (network)
        {
            new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, seed: 1);
            ModelFile.Save(network, path);
        }
    }

    private static IReadOnlyList<string> NamesIn(string folder) =>
        [.. Directory.GetFiles(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private static JsonElement Person(JsonElement frame) => Assert.Single(frame.GetProperty("people").EnumerateArray());

    private static void AssertJoint(JsonElement frame, string name, double x, double y)
    {
        var joint = Person(frame).GetProperty("joints")[Skeleton.Coco.IndexOf(name)];
        Assert.Equal(x, joint[0].GetDouble(), 0.5);
        Assert.Equal(y, joint[1].GetDouble(), 0.5);
        Assert.InRange(joint[2].GetDouble(), 0.5, 1);
    }
}
