using System.Text.Json;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

public sealed class PoseResultsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Cocos_results_say_image_category_joints_and_score()
    {
        var path = _folder.PathOf("results/keypoints.json");
        PoseResults.WriteCoco(path, [Person(7, 2.5) with { Score = 0.123456789 }, Person(8, 1)]);
        var people = Read(path).EnumerateArray().ToList();
        Assert.Equal(2, people.Count);
        Assert.Equal(["image_id", "category_id", "keypoints", "score"], people[0].EnumerateObject().Select(p => p.Name));
        Assert.Equal((7, 1, 0.123456789), (people[0].GetProperty("image_id").GetInt64(), people[0].GetProperty("category_id").GetInt32(),
            people[0].GetProperty("score").GetDouble()));
        var keypoints = people[0].Numbers("keypoints");
        Assert.Equal(51, keypoints.Length);
        Assert.Equal([2.5, 1, 0.5, 3.501, 1, 0.5], keypoints[..6]);
        PoseResults.WriteCoco(path, [], category: 3);
        Assert.Empty(Read(path).EnumerateArray());
    }

    [Fact]
    public void PoseTracks_results_are_one_file_a_video_with_all_frames()
    {
        PoseImage[] images = [Frame(10, "images/val/one", 0), Frame(11, "images/val/one", 1), Frame(20, "images/val/two", 0)];
        var files = PoseResults.WritePoseTrack(
            _folder.Path, images, [Person(11, 5) with { TrackId = 4 }, Person(11, 6), Person(10, 7)], Skeleton.PoseTrack18);
        Assert.Equal([_folder.PathOf("one.json"), _folder.PathOf("two.json")], files);
        var (one, two) = (Read(files[0]), Read(files[1]));
        Assert.Equal(["images/val/one/000000.jpg", "images/val/one/000001.jpg"],
            one.GetProperty("images").EnumerateArray().Select(i => i.GetProperty("file_name").GetString()));
        Assert.Equal([10L, 11L], one.GetProperty("images").EnumerateArray().Select(i => i.GetProperty("id").GetInt64()));
        var people = one.GetProperty("annotations").EnumerateArray().ToList();
        Assert.Equal([10L, 11L, 11L], people.Select(p => p.GetProperty("image_id").GetInt64()));
        Assert.Equal([0L, 4L, 1L], people.Select(p => p.GetProperty("track_id").GetInt64()));
        Assert.Equal(3, people.Select(p => p.GetProperty("id").GetInt64()).Distinct().Count());
        Assert.Equal(Enumerable.Repeat(0.5, 17), people[0].Numbers("scores"));
        Assert.Equal([7, 1, 1, 8.001, 1, 1], people[0].Numbers("keypoints")[..6]);
        Assert.Equal(Skeleton.PoseTrack18.Joints, one.GetProperty("categories")[0].GetProperty("keypoints").EnumerateArray().Select(k => k.GetString()));
        Assert.Equal("person", one.GetProperty("categories")[0].GetProperty("name").GetString());
        Assert.Empty(two.GetProperty("annotations").EnumerateArray());
        Assert.Single(two.GetProperty("images").EnumerateArray());
    }

    [Fact]
    public void Joints_of_another_skeleton_go_to_the_places_of_their_names()
    {
        PoseImage[] images = [Frame(10, "one", 0)];
        var person = new PredictedPerson
        {
            ImageId = 10,
            Score = 1,
            Joints = [.. Skeleton.PoseTrack17.Joints.Select((_, j) => new PredictedJoint(100 + j, j, j / 100.0))],
        };
        var file = Assert.Single(PoseResults.WritePoseTrack(_folder.Path, images, [person], Skeleton.PoseTrack17));
        var written = Read(file).GetProperty("annotations")[0];
        var keypoints = written.Numbers("keypoints").Chunk(3).ToList();
        for (var place = 0; place < 17; place++)
        {
            var own = Skeleton.PoseTrack17.Joints.ToList().IndexOf(Skeleton.PoseTrack18.Joints[place]);
            Assert.Equal(own < 0 ? [0, 0, 0] : [100 + own, own, 1], keypoints[place]);
            Assert.Equal(own < 0 ? 0 : own / 100.0, written.Numbers("scores")[place]);
        }
    }

    [Fact]
    public void What_cannot_be_written_is_told_and_leaves_nothing_half()
    {
        var path = _folder.PathOf("a.json");
        var broken = Person(3, 1) with { Score = double.NaN };
        Assert.Contains("image 3", Assert.Throws<FrostlineException>(() => PoseResults.WriteCoco(path, [Person(1, 1), broken])).Message, StringComparison.Ordinal);
        Told("not among", [Frame(1, "a", 0)], [Person(2, 1)]);
        Told("no frame of a video", [Frame(1, "a", 0) with { Video = null }], []);
        Told("finite", [Frame(3, "a", 0)], [broken]);
        Told("2 joints", [Frame(3, "a", 0)], [broken with { Joints = [default, default] }]);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
        Told("folders of the name b", [Frame(1, "a/b", 0), Frame(2, "c/b", 0)], []);

        void Told(string expected, PoseImage[] images, PredictedPerson[] people)
        {
            var error = Assert.Throws<FrostlineException>(() => PoseResults.WritePoseTrack(_folder.Path, images, people, Skeleton.PoseTrack18));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }
    }

    private static JsonElement Read(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }

    private static PredictedPerson Person(long image, double x) => new()
    {
        ImageId = image,
        Score = 0.5,
        Joints = [.. Enumerable.Range(0, 17).Select(j => new PredictedJoint(x + (j * 1.0009), 1, 0.5))],
    };

    private static PoseImage Frame(long id, string video, int number) =>
        new() { Id = id, Path = $"/data/{video}/00000{number}.jpg", Name = $"{video}/00000{number}.jpg", Video = video, Frame = number };
}
