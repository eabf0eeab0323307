using System.Text.Json.Nodes;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Annotations in COCO's format: what is read, and what is said of faulty entries.</summary>
public sealed class CocoKeypointsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_is_read_with_any_joints_and_with_categories_behind_the_people()
    {
        var read = Read(AnnotationText.Coco);
        Assert.Empty(read.Problems);
        Assert.Equal(["beak", "left_wing", "right_wing"], read.Skeleton.Joints);
        Assert.Equal([(0, 1), (0, 2)], read.Skeleton.Limbs);
        Assert.Equal([(1, 2)], read.Skeleton.FlipPairs);
        Assert.Null(read.Skeleton.Sigmas);
        Assert.Equal([7L], read.Categories);
        Assert.Equal([1L, 2L], read.Images.Select(image => image.Id));
        Assert.Equal(_folder.PathOf("pictures/sub/b.png"), read.Images[1].Path);
        Assert.Equal((20, 20), (read.Images[1].Width, read.Images[1].Height));
        Assert.Null(read.Images[0].Video);
        var first = read.People[0];
        Assert.Equal((10L, 1L, null, 120.5, false, 2), (first.Id, first.ImageId, first.TrackId, first.Area, first.IsCrowd, first.LabelledJoints));
        Assert.Equal(new Box(4, 5, 20, 10), first.Box);
        Assert.Equal([new Joint(5, 6, JointVisibility.Visible), new Joint(7.5, 8, JointVisibility.Hidden), default], first.Joints);
        Assert.True(read.People[1].IsCrowd);
        Assert.Equal(400, read.People[1].Area);
        Assert.Equal(0, read.People[2].LabelledJoints);
    }

    [Theory]
    [InlineData("""{ "id": 13, "image_id": 9, "category_id": 7, "bbox": [1, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: there is no image 9")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2, 2], "keypoints": [1,1,2,1,1,2] }""", "annotation 13: keypoints has 6 numbers")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2, 2], "keypoints": [1,1e999,2,1,1,2,1,1,2] }""", "annotation 13: keypoints is no finite")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2, 2], "keypoints": [1,1,3,1,1,2,1,1,2] }""", "annotation 13: joint 0 has the visibility 3")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 7, "bbox": [1, 1, -2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: bbox is -2 wide")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: bbox has 3 numbers")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 7, "bbox": [40, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: the box lies outside")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 7, "bbox": [-3, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: the box lies outside")]
    [InlineData("""{ "id": 10, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 10: a second annotation")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 8, "bbox": [1, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: there is no category 8")]
    [InlineData("""{ "id": 13, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2, 2] }""", "annotation 13: no keypoints")]
    [InlineData("""{ "id": 13, "category_id": 7, "bbox": [1, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: no image_id")]
    [InlineData("""{ "id": 13, "image_id": 1, "iscrowd": 2, "bbox": [1, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: iscrowd is neither")]
    [InlineData("""{ "id": 13, "image_id": 1, "area": -1, "bbox": [1, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotation 13: the area is -1")]
    [InlineData("""{ "id": "x", "image_id": 1, "bbox": [1, 1, 2, 2], "keypoints": [1,1,2,1,1,2,1,1,2] }""", "annotations[3]: id is no whole number")]
    [InlineData("""[1]""", "annotations[3]: not an object")]
    public void A_faulty_person_is_left_out_and_named(string entry, string problem)
    {
        var read = Read(AnnotationText.Coco, root => root["annotations"]!.AsArray().Add(JsonNode.Parse(entry)));
        Assert.Equal([10L, 11L, 12L], read.People.Select(person => person.Id));
        Assert.StartsWith(problem, Assert.Single(read.Problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "id": 1, "file_name": "c.png" }""", "image 1: a second image")]
    [InlineData("""{ "file_name": "c.png" }""", "images[2]: no id")]
    [InlineData("""{ "id": 3 }""", "image 3: no file_name")]
    [InlineData("""{ "id": 3, "file_name": "" }""", "image 3: file_name is empty")]
    [InlineData("""{ "id": 3, "file_name": "c.png", "width": 0 }""", "image 3: the width is 0")]
    public void A_faulty_image_is_left_out_and_named(string entry, string problem)
    {
        var read = Read(AnnotationText.Coco, root => root["images"]!.AsArray().Add(JsonNode.Parse(entry)));
        Assert.Equal([1L, 2L], read.Images.Select(image => image.Id));
        Assert.StartsWith(problem, Assert.Single(read.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_person_without_box_has_the_one_around_its_joints_and_that_is_said()
    {
        var read = Read(AnnotationText.Coco, root => root["annotations"]![0]!.AsObject().Remove("bbox"));
        Assert.Equal("annotation 10: no bbox; the box around its joints is taken", Assert.Single(read.Problems));
        // Joints at (5, 6) and (7.5, 8): 15 % of 2.5 and of 2 are less than the pixel that is added at the least.
        Assert.Equal(new Box(4, 5, 4.5, 4), read.People[0].Box);
    }

    [Fact]
    public void Things_of_other_categories_are_no_problem()
    {
        var read = Read(AnnotationText.Coco, root => root["annotations"]![0]!["category_id"] = 3);
        Assert.Empty(read.Problems);
        Assert.Equal([11L, 12L], read.People.Select(person => person.Id));
    }

    [Fact]
    public void Where_categories_differ_in_their_joints_one_is_named()
    {
        static void Add(JsonNode root) => root["categories"]!.AsArray().Add(JsonNode.Parse("""{ "id": 9, "name": "fish", "keypoints": ["tail"] }"""));
        Assert.Contains("category", Assert.Throws<FrostlineException>(() => Read(AnnotationText.Coco, Add)).Message, StringComparison.Ordinal);
        var read = CocoKeypoints.Read(Write(AnnotationText.Coco, Add), _folder.Path, category: "bird");
        Assert.Equal(3, read.People.Count);
        Assert.Equal([7L], read.Categories);
        var unknown = Assert.Throws<FrostlineException>(() => CocoKeypoints.Read(Write(AnnotationText.Coco, Add), _folder.Path, category: "birds"));
        Assert.Contains("bird", unknown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_skeleton_can_be_given_and_has_to_have_as_many_joints()
    {
        var given = new Skeleton(["a", "b", "c"]);
        Assert.Same(given, CocoKeypoints.Read(Write(AnnotationText.Coco), _folder.Path, given).Skeleton);
        Assert.Same(given, CocoKeypoints.Read(Write(AnnotationText.Coco, root => root.AsObject().Remove("categories")), _folder.Path, given).Skeleton);
        var error = Assert.Throws<FrostlineException>(() => CocoKeypoints.Read(Write(AnnotationText.Coco), _folder.Path, Skeleton.Coco));
        Assert.Contains("3 joints", error.Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => Read(AnnotationText.Coco, root => root.AsObject().Remove("categories")));
    }

    [Theory]
    [InlineData("no json", "not valid JSON (line 1)")]
    [InlineData("", "not valid JSON")]
    [InlineData("{ \"images\": [] } x", "not valid JSON")]
    [InlineData("{ \"images\": [],\n \"annotations\": [ NaN ] }", "not valid JSON (line 2)")]
    [InlineData("[]", "lacks the list \"images\"")]
    [InlineData("{ \"images\": [], \"annotations\": 3 }", "lacks the list \"annotations\"")]
    public void A_file_of_another_kind_is_refused_with_its_path(string text, string reason)
    {
        var path = _folder.PathOf("annotations.json");
        File.WriteAllText(path, text);
        var error = Assert.Throws<FrostlineException>(() => CocoKeypoints.Read(path, _folder.Path)).Message;
        Assert.StartsWith(path, error, StringComparison.Ordinal);
        Assert.Contains(reason, error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void A_missing_file_is_refused()
    {
        Assert.Contains("does not exist", Assert.Throws<FrostlineException>(() => CocoKeypoints.Read(_folder.PathOf("x.json"), _folder.Path)).Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => CocoKeypoints.Read(_folder.Path, _folder.Path));
    }

    [Fact]
    public void Files_of_a_hundred_megabytes_are_read()
    {
        var path = _folder.PathOf("large.json");
        const int people = 2000;
        using (var file = new StreamWriter(path))
        {
            var outline = string.Join(',', Enumerable.Repeat("123.25", 7500));
            file.Write("""{ "categories": [{ "id": 1, "name": "p", "keypoints": ["a"] }], "images": [{ "id": 1, "file_name": "a.png" }], "annotations": [""");
            for (var i = 0; i < people; i++)
                file.Write(FormattableString.Invariant($$"""{{(i > 0 ? "," : "")}}{"id":{{i}},"image_id":1,"segmentation":[[{{outline}}]],"bbox":[0,0,1,1],"keypoints":[1,2,2]}"""));
            file.Write("]}");
        }

        Assert.InRange(new FileInfo(path).Length, 100_000_000, 120_000_000);
        var read = CocoKeypoints.Read(path, _folder.Path);
        Assert.Empty(read.Problems);
        Assert.Equal(people, read.People.Count);
    }

    private PoseAnnotations Read(string text, Action<JsonNode>? change = null) => CocoKeypoints.Read(Write(text, change), _folder.PathOf("pictures"));

    private string Write(string text, Action<JsonNode>? change = null)
    {
        var root = JsonNode.Parse(text)!;
        change?.Invoke(root);
        var path = _folder.PathOf("annotations.json");
        // Numbers such as 1e999 stay as they were written.
        File.WriteAllText(path, root.ToJsonString());
        return path;
    }
}
