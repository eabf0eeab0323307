using System.Text;
using CsCheck;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose.Prediction;

public sealed class PersonBoxesTests
{
    private const string List = """
        [
          {"image": "one.jpg", "bbox": [1, 2, 3, 4], "score": 0.5},
          {"image": "val/two.jpg", "bbox": [5, 6, 7, 8]},
          {"frame": 12, "bbox": [9, 10, 11, 12]},
          {"image_id": 785, "bbox": [1, 1, 2, 2], "score": 0.25, "category_id": 1}
        ]
        """;

    [Fact]
    public void Boxes_are_found_by_name_by_the_end_of_a_path_by_frame_and_by_the_number_in_a_name()
    {
        var boxes = Read(List);
        Assert.Equal(4, boxes.Count);
        Assert.Empty(boxes.Problems);
        Assert.Equal([new ScoredBox(new Box(1, 2, 3, 4), 0.5)], boxes.Of("/photos/one.jpg"));
        Assert.Equal([new ScoredBox(new Box(5, 6, 7, 8))], boxes.Of("data/val/two.jpg"));
        Assert.Empty(boxes.Of("data/train/two.jpg"));
        Assert.Equal([new ScoredBox(new Box(9, 10, 11, 12))], boxes.Of(12));
        Assert.Equal([new ScoredBox(new Box(1, 1, 2, 2), 0.25)], boxes.Of("000000000785.jpg"));
        Assert.Empty(boxes.Of("three.jpg"));
    }

    [Fact]
    public void Annotations_of_COCO_are_boxes_by_the_names_of_their_images()
    {
        var boxes = PersonBoxes.Read(Fixtures.PathOf("data/coco-sample/test_coco.json"));
        Assert.Equal(14, boxes.Count);
        Assert.Single(boxes.Of("000000000785.jpg"));
    }

    [Fact]
    public void Detections_of_COCO_are_boxes_by_the_numbers_in_names()
    {
        var boxes = PersonBoxes.Read(Fixtures.PathOf("data/coco-sample/test_coco_det_AP_H_56.json"));
        Assert.Equal(118, boxes.Count);
        Assert.Equal(0.9999731779098511, boxes.Of("000000000785.jpg").Max(box => box.Score));
    }

    [Theory]
    [InlineData("""[{"image": "a.jpg"}]""", "entry 0 has no \"bbox\"")]
    [InlineData("""[{"image": "a.jpg", "bbox": [1, 2, 0, 4]}]""", "entry 0 has no \"bbox\" of four numbers with a positive size")]
    [InlineData("""[{"bbox": [1, 2, 3, 4]}]""", "entry 0 says neither \"image\"")]
    [InlineData("[7]", "entry 0 has no \"bbox\"")]
    public void Faulty_entries_are_left_out_and_told(string json, string problem)
    {
        var boxes = Read(json);
        Assert.Equal(0, boxes.Count);
        Assert.Contains(problem, Assert.Single(boxes.Problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "is no JSON")]
    [InlineData("{}", "has no boxes")]
    public void Other_files_are_refused(string json, string message) =>
        Assert.Contains(message, Assert.Throws<FrostlineException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_not_there_is_refused() =>
        Assert.Contains("cannot be read", Assert.Throws<FrostlineException>(() => PersonBoxes.Read("nowhere.json")).Message, StringComparison.Ordinal);

    [Fact]
    public void No_change_of_the_file_does_anything_but_an_error_of_one_line() => Properties.Holds(
        Gen.Select(Gen.Int[0, List.Length - 1], Gen.Char[' ', '~']),
        change =>
        {
            var text = new StringBuilder(List) { [change.Item1] = change.Item2 };
            try
            {
                _ = Read(text.ToString()).Of("one.jpg");
            }
            catch (FrostlineException error)
            {
                Assert.DoesNotContain('\n', error.Message);
            }
        }, samples: 300);

    private static PersonBoxes Read(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("boxes.json"), json);
        return PersonBoxes.Read(folder.PathOf("boxes.json"));
    }
}
