using System.Text.Json.Nodes;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using Frostline.Vision.Pose;
using Xunit;
using TestPictures = Frostline.Vision.Tests.Data.Pictures;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Samples of people: which there are, what is in them, and what they are known by.</summary>
public sealed class PoseDatasetTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public PoseDatasetTests()
    {
        TestPictures.Write(TestPictures.Noise(30, 40), _folder.PathOf("a.png"));
        TestPictures.Write(TestPictures.Noise(20, 20, seed: 2), _folder.PathOf("sub/b.png"));
        File.WriteAllText(_folder.PathOf("coco.json"), AnnotationText.Coco);
        File.WriteAllText(_folder.PathOf("found.json"), AnnotationText.Detections);
        File.WriteAllText(_folder.PathOf("posetrack.json"), AnnotationText.PoseTrack18);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Samples_are_people_with_a_labelled_joint_who_are_no_crowd()
    {
        var data = Coco(new CocoKeypointsOptions { Annotations = "coco.json" });
        Assert.Equal(1, data.Count);
        Assert.Equal(3, data.Annotations.People.Count);
        Assert.Null(data.Classes);
        var person = data.PersonOf(0);
        Assert.Equal((10L, 1L, 1.0), (person.Annotation!.Id, person.Image.Id, person.Score));
        Assert.Equal($"{_folder.PathOf("a.png")}#10", data.SourceOf(0));
        var sample = data.Read(0);
        Assert.Equal(ImageFile.Decode(_folder.PathOf("a.png")).Pixels, Assert.IsType<ImageField>(sample.Fields["image"]).Pixels);
        var pose = Assert.IsType<PoseField>(sample.Fields["pose"]);
        Assert.Equal((0, person.Box), (pose.Person, pose.Box));
        Assert.Equal(PoseView.Around(person.Box), pose.View);
        Assert.Same(data.Skeleton, pose.Skeleton);
        Assert.Equal(person.Annotation.Joints, pose.Joints);
        Assert.Throws<FrostlineException>(() => Coco(new CocoKeypointsOptions { Annotations = "coco.json", MinimumJoints = 3 }));
    }

    [Fact]
    public void Detections_are_samples_without_joints()
    {
        var data = Coco(new CocoKeypointsOptions { Annotations = "coco.json", Detections = "found.json", MinimumScore = 0.3 });
        var person = data.PersonOf(0);
        Assert.Equal(1, data.Count);
        Assert.Equal((1L, 0.75, new Box(1, 2, 10, 11)), (person.Image.Id, person.Score, person.Box));
        Assert.Null(person.Annotation);
        var pose = (PoseField)data.Read(0).Fields["pose"];
        Assert.All(pose.Joints, joint => Assert.False(joint.IsLabelled));
        Assert.Equal(2, Coco(new CocoKeypointsOptions { Annotations = "coco.json", Detections = "found.json" }).Count);
        File.WriteAllText(_folder.PathOf("found.json"), """[{ "image_id": 5, "bbox": [0, 0, 1, 1], "score": 1 }, { "image_id": 1, "bbox": [0, 0, 1, 1], "score": 1 }]""");
        var problem = Assert.Single(Coco(new CocoKeypointsOptions { Annotations = "coco.json", Detections = "found.json" }).Problems);
        Assert.Equal("detection [0]: there is no image 5; it is left out", problem);
    }

    [Fact]
    public void Problems_are_those_of_the_files_also_of_a_part()
    {
        var root = JsonNode.Parse(AnnotationText.Coco)!;
        root["annotations"]!.AsArray().Add(JsonNode.Parse("""{ "id": 13 }"""));
        File.WriteAllText(_folder.PathOf("coco.json"), root.ToJsonString());
        var data = Coco(new CocoKeypointsOptions { Annotations = "coco.json" });
        var part = new SubsetDataset(new SubsetDataset(data, [0]), [0]);
        Assert.Equal(["annotation 13: no keypoints; it is left out"], part.Problems);
        Assert.Same(data, part.Origin);
    }

    [Fact]
    public void A_picture_of_another_size_than_the_annotations_say_is_unreadable()
    {
        var data = Coco(new CocoKeypointsOptions { Annotations = "coco.json" });
        TestPictures.Write(TestPictures.Noise(31, 40), _folder.PathOf("a.png"));
        Assert.Contains("40 x 31", Assert.Throws<UnreadableSampleException>(() => data.Read(0)).Message, StringComparison.Ordinal);
        File.Delete(_folder.PathOf("a.png"));
        Assert.Throws<UnreadableSampleException>(() => data.Read(0));
    }

    [Fact]
    public void A_row_is_known_by_the_bytes_of_its_image_and_by_the_box()
    {
        File.Copy(_folder.PathOf("a.png"), _folder.PathOf("copy.png"));
        var image = new PoseImage { Id = 1, Name = "a.png", Path = _folder.PathOf("a.png") };
        var copy = image with { Path = _folder.PathOf("copy.png") };
        var box = new Box(1, 2, 3, 4);
        var people = new[] { (image, box), (copy, box), (image, box with { X = 1.25 }), (image with { Path = _folder.PathOf("sub/b.png") }, box) }
            .Select(p => new PosePerson { Image = p.Item1, Box = p.Item2 });
        var data = new PoseDataset(new PoseAnnotations { Skeleton = new Skeleton(["a"]), Images = [], People = [] }, [.. people]);
        var hashes = Enumerable.Range(0, 4).Select(i => Assert.Single(data.Open(i)!.Rows)).ToList();
        Assert.Equal(hashes[0], hashes[1]);
        Assert.Equal(3, hashes.Distinct().Count());
        var partial = data.Open(0)!.Partial()!;
        Assert.True(partial.IsPartial);
        Assert.Equal(["pose"], partial.Fields.Keys);
    }

    [Fact]
    public void A_video_sample_has_its_key_frame_first_and_repeats_it_at_the_ends()
    {
        var frames = Frames("video", [0, 1, 2]);
        var data = PoseTrack(new PoseTrackOptions { Annotations = "posetrack.json", Images = ".", Supports = [-2, -1, 1] });
        Assert.Equal([-2, -1, 1], data.Supports);
        Assert.Empty(data.Problems);
        var field = Assert.IsType<FramesField>(data.Read(0).Fields["image"]);
        Assert.Equal(new[] { 1, 1, 0, 2 }.Select(i => frames[i]), field.Frames.Select(frame => frame.Pixels));
        Assert.Equal([4, 3, 20, 20], field.ToTensor().Shape);
        var rows = data.Open(0)!.Rows;
        Assert.Equal(rows[0], rows[1]);
        Assert.Equal(3, rows.Distinct().Count());
        Assert.IsType<ImageField>(PoseTrack(new PoseTrackOptions { Annotations = "posetrack.json", Images = "." }).Read(0).Fields["image"]);
    }

    [Fact]
    public void Frames_that_several_samples_see_in_one_box_are_the_same_rows()
    {
        Frames("video", [0, 1, 2]);
        var root = JsonNode.Parse(AnnotationText.PoseTrack18)!;
        var second = root["annotations"]![0]!.DeepClone();
        (second["id"], second["image_id"]) = (5, 10000010002);
        root["annotations"]!.AsArray().Add(second);
        File.WriteAllText(_folder.PathOf("posetrack.json"), root.ToJsonString());
        var data = PoseTrack(new PoseTrackOptions { Annotations = "posetrack.json", Images = ".", Supports = [-1, 1] });
        var (first, next) = (data.Open(0)!.Rows, data.Open(1)!.Rows);
        // Rows are t, t - 1, t + 1: frames 1 0 2 and 2 1 2.
        Assert.Equal(first[0], next[1]);
        Assert.Equal(first[2], next[0]);
        Assert.Equal(3, first.Concat(next).Distinct().Count());
    }

    [Fact]
    public void Images_beside_the_labelled_ones_are_frames_too_and_missing_ones_are_said()
    {
        var frames = Frames("video", [0, 1, 3]);
        var root = JsonNode.Parse(AnnotationText.PoseTrack18)!;
        root["images"]!.AsArray().RemoveAt(2);
        root["images"]!.AsArray().RemoveAt(0);
        root["images"]![0]!["nframes"] = 5;
        File.WriteAllText(_folder.PathOf("posetrack.json"), root.ToJsonString());
        var data = PoseTrack(new PoseTrackOptions { Annotations = "posetrack.json", Images = ".", Supports = [-1, 1, 2] });
        Assert.Equal(new[] { 1, 0, 1, 3 }.Select(i => frames[i]), ((FramesField)data.Read(0).Fields["image"]).Frames.Select(frame => frame.Pixels));
        Assert.Equal("video video: 3 of its 5 frames are there; the key frame takes the place of the others", Assert.Single(data.Problems));
    }

    [Fact]
    public void A_listed_frame_without_file_makes_the_sample_unreadable()
    {
        Frames("video", [0, 1]);
        var data = PoseTrack(new PoseTrackOptions { Annotations = "posetrack.json", Images = ".", Supports = [1] });
        Assert.Contains("000002.png", Assert.Throws<UnreadableSampleException>(() => data.Read(0)).Message, StringComparison.Ordinal);
        TestPictures.Write(TestPictures.Noise(21, 20), _folder.PathOf("video/000002.png"));
        Assert.Contains("another size", Assert.Throws<UnreadableSampleException>(() => data.Read(0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_complete_the_skeleton_by_the_names_of_joints()
    {
        var data = Coco(new CocoKeypointsOptions
        {
            Annotations = "coco.json",
            FlipPairs = [["beak", "right_wing"]],
            UpperBody = ["beak"],
            Sigmas = [0.1, 0.2, 0.3],
        });
        Assert.Equal([(0, 2)], data.Skeleton.FlipPairs);
        Assert.Equal([0], data.Skeleton.UpperBody);
        Assert.Equal([0.1, 0.2, 0.3], data.Skeleton.Sigmas);
        Assert.Equal(["a", "l_b", "r_b"], Coco(new CocoKeypointsOptions { Annotations = "coco.json", Joints = ["a", "l_b", "r_b"] }).Skeleton.Joints);
        Assert.Contains("beak", Fails(new CocoKeypointsOptions { FlipPairs = [["beek", "right_wing"]] }), StringComparison.Ordinal);
        Assert.Contains("2 sigmas", Fails(new CocoKeypointsOptions { Sigmas = [0.1, 0.2] }), StringComparison.Ordinal);
        Assert.Contains("3 joints", Fails(new CocoKeypointsOptions { Skeleton = KnownSkeleton.Coco }), StringComparison.Ordinal);
        Assert.Equal("Joints", new CocoKeypointsOptions { Skeleton = KnownSkeleton.Coco, Joints = ["a"] }.Check()!.Property);
        Assert.Equal("FlipPairs", new CocoKeypointsOptions { FlipPairs = [["a"]] }.Check()!.Property);
        Assert.Equal("Sigmas", new CocoKeypointsOptions { Sigmas = [0.1, 0] }.Check()!.Property);
        Assert.Equal("Supports", new PoseTrackOptions { Supports = [0] }.Check()!.Property);
        Assert.Null(new CocoKeypointsOptions().Check());

        string Fails(CocoKeypointsOptions options)
        {
            options.Annotations = "coco.json";
            return Assert.Throws<FrostlineException>(() => Coco(options)).Message;
        }
    }

    [Fact]
    public void Networks_and_losses_know_the_data_by_its_facts()
    {
        var data = Coco(new CocoKeypointsOptions { Annotations = "coco.json" });
        var known = SkeletonFacts.Find(new BuildContext { Folder = _folder.Path, Facts = ((IDataset)data).Facts })!;
        Assert.Equal(data.Skeleton.Joints, known.Joints);
        Assert.Equal(data.Skeleton.FlipPairs, known.FlipPairs);
        var registry = new Registry().Add(new VisionExtension());
        Assert.True(registry.Losses.TryGet(((IDataset)data).UsualLoss!, out _));
    }

    [Fact]
    public void Some_people_are_drawn_by_the_seed_in_their_order()
    {
        var root = JsonNode.Parse(AnnotationText.Coco)!;
        var people = root["annotations"]!.AsArray();
        for (var id = 20; id < 60; id++)
        {
            var next = people[0]!.DeepClone();
            next["id"] = id;
            people.Add(next);
        }

        File.WriteAllText(_folder.PathOf("coco.json"), root.ToJsonString());
        var drawn = Ids(1);
        Assert.Equal(5, drawn.Count);
        Assert.Equal(drawn.Order(), drawn);
        Assert.Equal(drawn, Ids(1));
        Assert.NotEqual(drawn, Ids(2));

        List<long> Ids(long seed)
        {
            var data = Coco(new CocoKeypointsOptions { Annotations = "coco.json", Samples = 5, Seed = seed });
            return [.. Enumerable.Range(0, data.Count).Select(i => data.PersonOf(i).Annotation!.Id)];
        }
    }

    [Theory]
    [InlineData("coco-keypoints", typeof(CocoKeypointsOptions))]
    [InlineData("posetrack", typeof(PoseTrackOptions))]
    [InlineData("simulated-video", typeof(SimulatedVideoOptions))]
    public void Recipes_can_name_the_data_sets(string name, Type options)
    {
        var registry = new Registry();
        new VisionExtension().Register(registry);
        Assert.True(registry.Datasets.TryGet(name, out var entry));
        Assert.Equal(options, entry.OptionsType);
    }

    [Fact]
    public void Options_are_read_from_a_recipe_and_written_again()
    {
        var registry = new Registry().Add(new TrainingExtension()).Add(new VisionExtension());
        const string text = """
            version: 1
            model: { name: resnet18, classes: 2 }
            data:
              train: { name: posetrack, annotations: posetrack.json, images: ".", supports: [-1, 1], flip-pairs: [[nose, neck]] }
              validate: { name: simulated-video, annotations: coco.json, shift: 5%, skeleton: posetrack18 }
            train: { epochs: 1, optimizer: sgd }
            """;
        var recipe = Recipe.Parse(text, "recipe.yaml", _folder.Path, registry);
        var again = Recipe.Parse(recipe.ToYaml(), "recipe.yaml", _folder.Path, registry);
        var options = (PoseTrackOptions)again.Data.Train.Options;
        Assert.Equal([-1, 1], options.Supports);
        Assert.Equal(["nose", "neck"], Assert.Single(options.FlipPairs!));
        var simulated = (SimulatedVideoOptions)again.Data.Validate!.Options;
        Assert.Equal((0.05, KnownSkeleton.Posetrack18), (simulated.Shift, simulated.Skeleton));
        Assert.Equal([-2, -1, 1, 2], simulated.Supports);
        var wrong = Assert.Throws<RecipeException>(() => Recipe.Parse(text.Replace("[-1, 1]", "[-1, 0]", StringComparison.Ordinal), "recipe.yaml", _folder.Path, registry));
        Assert.StartsWith("recipe.yaml:4:", wrong.Message, StringComparison.Ordinal);
        Assert.Contains("0 is the key frame itself", wrong.Message, StringComparison.Ordinal);
    }

    private IPoseData Coco(CocoKeypointsOptions options) => KeypointData.OpenCoco(options, TestPictures.Context(_folder.Path));

    private IPoseData PoseTrack(PoseTrackOptions options) => KeypointData.OpenPoseTrack(options, TestPictures.Context(_folder.Path));

    private Dictionary<int, byte[]> Frames(string folder, int[] numbers)
    {
        var frames = numbers.ToDictionary(number => number, number => TestPictures.Noise(20, 20, seed: 100 + number));
        foreach (var (number, picture) in frames) TestPictures.Write(picture, _folder.PathOf(FormattableString.Invariant($"{folder}/{number:000000}.png")));
        return frames.ToDictionary(frame => frame.Key, frame => frame.Value.Pixels);
    }
}
