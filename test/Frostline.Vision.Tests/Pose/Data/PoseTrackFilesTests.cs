using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Annotations of PoseTrack, in both layouts.</summary>
public sealed class PoseTrackFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_belongs_to_videos_is_read_from_files_of_2018()
    {
        var read = PoseTrackFiles.Read(Write("v.json", AnnotationText.PoseTrack18), _folder.Path);
        Assert.Empty(read.Problems);
        Assert.Equal([0, 1, 2], read.Images.Select(image => image.Frame));
        Assert.All(read.Images, image => Assert.Equal(("video", 3), (image.Video, image.FrameCount)));
        Assert.Equal([false, true, false], read.Images.Select(image => image.IsLabelled));
        var person = Assert.Single(read.People);
        Assert.Equal((1000001000100, 10000010001, 4L), (person.Id, person.ImageId, person.TrackId));
        Assert.Equal(new Box(5, 4, 3, 3), person.Head);
        Assert.Equal([new Joint(6, 5, JointVisibility.Visible), new Joint(7, 9, JointVisibility.Visible)], person.Joints);
        Assert.Equal(120, person.Area);
    }

    [Fact]
    public void Files_of_2017_are_read_with_numbers_in_lists_and_without()
    {
        var read = PoseTrackFiles.Read(Write("v.json", AnnotationText.PoseTrack17), _folder.Path);
        Assert.Empty(read.Problems);
        Assert.Same(Skeleton.PoseTrack17, read.Skeleton);
        Assert.Equal([1L, 2L, 3L], read.Images.Select(image => image.Id));
        Assert.Equal([1, 2, 3], read.Images.Select(image => image.Frame));
        Assert.Equal([true, true, false], read.Images.Select(image => image.IsLabelled));
        Assert.All(read.Images, image => Assert.Equal("images/bonn", image.Video));
        Assert.Equal(_folder.PathOf("images/bonn/00000001.jpg"), read.Images[0].Path);
        Assert.Equal([1L, 1L, 2L], read.People.Select(person => person.ImageId));
        Assert.Equal([3L, 0L, 0L], read.People.Select(person => person.TrackId));
        var first = read.People[0];
        Assert.Equal(new Joint(12, 25, JointVisibility.Visible), first.Joints[13]);
        Assert.Equal(new Joint(32, 65.5, JointVisibility.Hidden), first.Joints[0]);
        Assert.Equal(JointVisibility.Visible, first.Joints[14].Visibility);
        Assert.Equal(3, first.LabelledJoints);
        Assert.Equal(new Box(10, 20, 6, 8), first.Head);
        // The joints reach over 20 x 45.5 pixels; 15 % of that on each side.
        Assert.Equal((9.0, 13.175, 26.0, 59.15), (first.Box.X, first.Box.Y, Math.Round(first.Box.Width, 9), Math.Round(first.Box.Height, 9)));
        Assert.Equal(0, read.People[1].LabelledJoints);
        Assert.Equal(new Box(1, 2, 4, 6), read.People[1].Box);
    }

    [Theory]
    [InlineData("\"id\": [14]", "\"id\": [15]", "annolist[0].annorect[0] of images/bonn/00000001.jpg: there is no joint 15; they are 0 to 14; it is left out", 2)]
    [InlineData("\"id\": [14]", "\"id\": [13]", "annolist[0].annorect[0] of images/bonn/00000001.jpg: joint 13 is there twice; it is left out", 2)]
    [InlineData("\"x\": [32]", "\"x\": [1e999]", "annolist[0].annorect[0] of images/bonn/00000001.jpg: x is no finite number; it is left out", 2)]
    [InlineData("\"x\": [32]", "\"x\": []", "annolist[0].annorect[0] of images/bonn/00000001.jpg: x is empty; it is left out", 2)]
    [InlineData("\"x2\": [16]", "\"x2\": [9]", "annolist[0].annorect[0] of images/bonn/00000001.jpg: the head's box is -1 wide and 8 high; the person is taken without a head's box", 3)]
    [InlineData("\"image\": [{ \"name\": \"images\\/bonn\\/00000001.jpg\" }]", "\"image\": []", "annolist[0]: no image; it is left out", 1)]
    public void A_faulty_entry_of_2017_is_named(string text, string faulty, string problem, int people)
    {
        Assert.Contains(text, AnnotationText.PoseTrack17, StringComparison.Ordinal);
        var read = PoseTrackFiles.Read(Write("v.json", AnnotationText.PoseTrack17.Replace(text, faulty, StringComparison.Ordinal)), _folder.Path);
        Assert.Equal(problem, Assert.Single(read.Problems));
        Assert.Equal(people, read.People.Count);
    }

    [Fact]
    public void A_faulty_heads_box_of_2018_costs_the_head_and_not_the_person()
    {
        var text = AnnotationText.PoseTrack18.Replace("\"bbox_head\": [5, 4, 3, 3]", "\"bbox_head\": [5, 4, -3, 3]", StringComparison.Ordinal);
        var read = PoseTrackFiles.Read(Write("v.json", text), _folder.Path);
        Assert.Null(Assert.Single(read.People).Head);
        Assert.StartsWith("annotation 1000001000100: bbox_head is -3 wide", Assert.Single(read.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void The_files_of_a_folder_are_one_set_and_problems_name_the_file()
    {
        Directory.CreateDirectory(_folder.PathOf("set"));
        Write("set/a.json", AnnotationText.PoseTrack18);
        Write("set/b.json", AnnotationText.PoseTrack18.Replace("1000001", "1000002", StringComparison.Ordinal).Replace("\"video/", "\"other/", StringComparison.Ordinal));
        Write("set/c.txt", "no annotations");
        var read = PoseTrackFiles.Read(_folder.PathOf("set"), _folder.Path);
        Assert.Empty(read.Problems);
        Assert.Equal((6, 2), (read.Images.Count, read.People.Count));
        Write("set/c.json", AnnotationText.PoseTrack18);
        read = PoseTrackFiles.Read(_folder.PathOf("set"), _folder.Path);
        Assert.Equal((6, 2), (read.Images.Count, read.People.Count));
        Assert.Contains("c.json: image 10000010000: a second image of that id; it is left out", read.Problems);
        Write("set/c.json", AnnotationText.PoseTrack17);
        Assert.Contains("c.json has other joints", Assert.Throws<FrostlineException>(() => PoseTrackFiles.Read(_folder.PathOf("set"), _folder.Path)).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(_folder.PathOf("empty"));
        Assert.Contains("no .json files", Assert.Throws<FrostlineException>(() => PoseTrackFiles.Read(_folder.PathOf("empty"), _folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_neither_layout_is_refused()
    {
        var error = Assert.Throws<FrostlineException>(() => PoseTrackFiles.Read(Write("v.json", "{ \"frames\": [] }"), _folder.Path)).Message;
        Assert.Contains("annolist", error, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => PoseTrackFiles.Read(Write("v.json", AnnotationText.PoseTrack17), _folder.Path, Skeleton.Coco));
    }

    private string Write(string name, string text)
    {
        File.WriteAllText(_folder.PathOf(name), text);
        return _folder.PathOf(name);
    }
}
