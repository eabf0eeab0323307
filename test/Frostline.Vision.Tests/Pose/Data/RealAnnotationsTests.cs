using System.Text.Json;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Vision.Pose;
using Xunit;
using TestPictures = Frostline.Vision.Tests.Data.Pictures;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Real annotations are read whole: as many images, people and joints as a plain walk through the JSON counts.</summary>
public sealed class RealAnnotationsTests
{
    [Theory]
    [InlineData("coco-sample/test_coco.json", 4, 14, 181)]
    [InlineData("lspet/train.json", 800, 800, 11200)]
    [InlineData("lspet/val.json", 200, 200, 2800)]
    public void Files_in_COCOs_format_are_read_whole(string file, int images, int people, int labelled)
    {
        var path = Fixtures.PathOf($"data/{file}");
        var read = CocoKeypoints.Read(path, Path.GetDirectoryName(path)!);
        Assert.Empty(read.Problems);
        Assert.Equal((images, people, labelled), (read.Images.Count, read.People.Count, read.People.Sum(person => person.LabelledJoints)));
        Compare(read, path, joint => (int)joint.Visibility);
        Assert.Same(file.StartsWith("coco", StringComparison.Ordinal) ? Skeleton.Coco : Skeleton.Lsp, read.Skeleton);
    }

    [Fact]
    public void PoseTracks_sample_is_read_whole_from_one_file_and_from_a_folder()
    {
        var root = Fixtures.PathOf("data/posetrack18-sample");
        var file = Path.Combine(root, "annotations", "test_posetrack18_val.json");
        var whole = PoseTrackFiles.Read(file, root);
        Assert.Empty(whole.Problems);
        Assert.Same(Skeleton.PoseTrack18, whole.Skeleton);
        Assert.Equal((3, 14, 182), (whole.Images.Count, whole.People.Count, whole.People.Sum(person => person.LabelledJoints)));
        Compare(whole, file, joint => joint.IsLabelled ? 1 : 0);
        Assert.Equal([("images/val/012834_mpii_test", 140), ("images/val/009473_mpii_test", 101), ("images/val/003418_mpii_test", 149)],
            whole.Images.Select(image => (image.Video!, image.FrameCount!.Value)).OrderByDescending(video => video.Item1, StringComparer.Ordinal));
        Assert.All(whole.Images, image => Assert.True(image.Frame == 0 && image.IsLabelled && File.Exists(image.Path)));
        Assert.All(whole.People, person => Assert.True(person is { Head: not null, TrackId: not null }));

        var folder = PoseTrackFiles.Read(Path.Combine(root, "annotations", "val"), root);
        Assert.Empty(folder.Problems);
        Assert.Equal(whole.People.Select(Text).Order(StringComparer.Ordinal), folder.People.Select(Text).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Detections_are_read_whole()
    {
        var coco = Fixtures.PathOf("data/coco-sample");
        var annotations = CocoKeypoints.Read(Path.Combine(coco, "test_coco.json"), coco);
        var found = PersonDetections.Read(Path.Combine(coco, "test_coco_det_AP_H_56.json"), annotations);
        Assert.Empty(found.Problems);
        Assert.Equal(118, found.People.Count);
        Assert.Equal(0.9999731779098511, found.People[0].Score);
        var videos = Fixtures.PathOf("data/posetrack18-sample");
        var frames = PoseTrackFiles.Read(Path.Combine(videos, "annotations", "val"), videos);
        var people = PersonDetections.Read(Path.Combine(videos, "annotations", "test_posetrack18_human_detections.json"), frames);
        Assert.Empty(people.Problems);
        Assert.Equal(278, people.People.Count);
    }

    [Fact]
    public void Every_sample_is_decoded()
    {
        var coco = KeypointData.OpenCoco(
            new CocoKeypointsOptions { Annotations = Fixtures.PathOf("data/coco-sample/test_coco.json") }, TestPictures.Context(Fixtures.Root));
        // Two of the fourteen have no labelled joint.
        Assert.Equal(12, coco.Count);
        var videos = Fixtures.PathOf("data/posetrack18-sample");
        var posetrack = KeypointData.OpenPoseTrack(
            new PoseTrackOptions { Annotations = "annotations/val", Images = ".", Supports = [-2, -1, 1, 2] }, TestPictures.Context(videos));
        Assert.Equal(14, posetrack.Count);
        Assert.Equal(3, posetrack.Problems.Count);
        foreach (var data in new IDataset[] { coco, posetrack })
            for (var i = 0; i < data.Count; i++) Assert.Equal(["image", "pose"], data.Read(i).Fields.Keys.Order(StringComparer.Ordinal));
    }

    private static void Compare(PoseAnnotations read, string path, Func<Joint, int> visibility)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        var people = document.RootElement.GetProperty("annotations").EnumerateArray().ToList();
        Assert.Equal(document.RootElement.GetProperty("images").EnumerateArray().Select(image => image.GetProperty("id").GetInt64()), read.Images.Select(image => image.Id));
        Assert.Equal(people.Select(person => person.GetProperty("id").GetInt64()), read.People.Select(person => person.Id));
        for (var i = 0; i < people.Count; i++)
        {
            double[] numbers = [.. people[i].GetProperty("keypoints").EnumerateArray().Select(number => number.GetDouble())];
            Assert.Equal(numbers, read.People[i].Joints.SelectMany(joint => new[] { joint.X, joint.Y, visibility(joint) }));
            Assert.Equal(people[i].GetProperty("num_keypoints").GetInt32(), read.People[i].LabelledJoints);
            double[] box = [.. people[i].GetProperty("bbox").EnumerateArray().Select(number => number.GetDouble())];
            Assert.Equal(new Box(box[0], box[1], box[2], box[3]), read.People[i].Box);
        }
    }

    private static string Text(PersonAnnotation person) =>
        FormattableString.Invariant($"{person.Id} {person.ImageId} {person.TrackId} {person.Box} {person.Head} {string.Join(' ', person.Joints)}");
}
