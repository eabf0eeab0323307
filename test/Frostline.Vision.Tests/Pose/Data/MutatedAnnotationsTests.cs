using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Frostline.Training.Data;
using Frostline.Vision.Pose;
using Xunit;
using TestPictures = Frostline.Vision.Tests.Data.Pictures;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Whatever a file of annotations says, reading it and the samples that it describes throws nothing but FrostlineException.</summary>
public sealed class MutatedAnnotationsTests : IDisposable
{
    private static readonly string[] Values =
    [
        "null", "true", "0", "-1", "1.5", "1e999", "-1e999", "9223372036854775807", "99999999999999999999", "\"\"", "\"x\"", "\"\\ud800\"", "\"a\\u0000b\"", "[]", "{}",
        "[[]]", "[null]", "[1, 2, 3, 4]", "[1e308, 1e308, 1e308, 1e308]", "{ \"id\": 1 }",
    ];

    private readonly TemporaryFolder _folder = new();
    private int _read;
    private int _problems;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("coco")]
    [InlineData("posetrack18")]
    [InlineData("posetrack17")]
    [InlineData("detections")]
    public void Other_values_in_the_place_of_any_value_never_crash(string kind)
    {
        var text = TextOf(kind);
        var places = Places(JsonNode.Parse(text)!, "$").ToList();
        Gen.Select(Gen.Int[0, places.Count - 1], Gen.Int[0, Values.Length - 1], Gen.Int[0, places.Count - 1], Gen.Int[0, Values.Length])
            .Holds(
                (first, value, second, other) =>
                {
                    var changed = With(text, places[first], Values[value], places[second], other < Values.Length ? Values[other] : null);
                    Read(kind, Encoding.UTF8.GetBytes(changed));
                },
                samples: 1500);
        Assert.True(_read > 200 && _problems > 300, $"{_read} files were read, with {_problems} problems");
    }

    [Theory]
    [InlineData("coco")]
    [InlineData("posetrack18")]
    [InlineData("posetrack17")]
    [InlineData("detections")]
    public void Damaged_bytes_never_crash(string kind)
    {
        var bytes = Encoding.UTF8.GetBytes(TextOf(kind));
        Gen.Int[0, int.MaxValue - 1].Holds(seed => Read(kind, Mutation.Apply(bytes, seed)), samples: 1500);
        Assert.True(_read > 100, $"{_read} files were read");
    }

    private static string TextOf(string kind) => kind switch
    {
        "coco" => AnnotationText.Coco,
        "posetrack18" => AnnotationText.PoseTrack18,
        "posetrack17" => AnnotationText.PoseTrack17,
        _ => AnnotationText.Detections,
    };

    private void Read(string kind, byte[] content)
    {
        var path = _folder.PathOf("annotations.json");
        File.WriteAllBytes(path, content);
        var context = TestPictures.Context(_folder.Path);
        try
        {
            IPoseData data;
            if (kind == "coco")
            {
                data = KeypointData.OpenCoco(new CocoKeypointsOptions { Annotations = path }, context);
            }
            else if (kind == "detections")
            {
                var images = _folder.PathOf("images.json");
                File.WriteAllText(images, AnnotationText.Coco);
                data = KeypointData.OpenCoco(new CocoKeypointsOptions { Annotations = images, Detections = path, MinimumScore = -1e9 }, context);
            }
            else
            {
                data = KeypointData.OpenPoseTrack(new PoseTrackOptions { Annotations = path, Images = ".", Supports = [-1, 2] }, context);
            }

            _read++;
            _problems += data.Problems.Count;
            for (var i = 0; i < data.Count; i++)
            {
                _ = data.SourceOf(i);
                // The images do not exist.
                Assert.Throws<UnreadableSampleException>(() => data.Open(i));
            }
        }
        catch (FrostlineException error)
        {
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    private static string With(string text, string first, string value, string second, string? other)
    {
        var root = JsonNode.Parse(text)!;
        Put(root, first, "@first");
        if (other is not null) Put(root, second, "@second");
        // Not every value that a file may hold can be made a node of.
        return root.ToJsonString().Replace("\"@first\"", value, StringComparison.Ordinal).Replace("\"@second\"", other, StringComparison.Ordinal);
    }

    private static void Put(JsonNode root, string place, string mark)
    {
        JsonNode? at = root;
        var steps = place.Split('/')[1..];
        for (var i = 0; i < steps.Length; i++)
        {
            var isLast = i == steps.Length - 1;
            if (at is JsonArray array && int.Parse(steps[i], CultureInfo.InvariantCulture) is var index && index < array.Count)
            {
                if (isLast) array[index] = mark;
                else at = array[index];
            }
            else if (at is JsonObject fields)
            {
                if (isLast) fields[steps[i]] = mark;
                else at = fields[steps[i]];
            }
        }
    }

    private static IEnumerable<string> Places(JsonNode? node, string path) => node switch
    {
        JsonObject fields => fields.SelectMany(field => Places(field.Value, $"{path}/{field.Key}").Prepend($"{path}/{field.Key}")),
        JsonArray items => items.SelectMany((item, i) => Places(item, FormattableString.Invariant($"{path}/{i}")).Prepend(FormattableString.Invariant($"{path}/{i}"))),
        _ => [],
    };
}
