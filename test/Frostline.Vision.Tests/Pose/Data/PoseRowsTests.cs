using System.Text.Json.Nodes;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Vision.Pose;
using Xunit;
using TestPictures = Frostline.Vision.Tests.Data.Pictures;

namespace Frostline.Vision.Tests.Pose;

/// <summary>
/// What the feature store relies on: rows of one hash are equal inputs of the network, whichever sample they stand in, and other rows are not; and
/// samples without their inputs have the same targets.
/// </summary>
public sealed class PoseRowsTests : IDisposable
{
    private static readonly ITransform[] Transforms = [new PoseCrop { Width = 24, Height = 32 }, new PoseTargets { Stride = 4 }];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Frames_that_samples_share_are_equal_inputs_and_others_are_not()
    {
        var root = JsonNode.Parse(AnnotationText.PoseTrack18)!;
        var people = root["annotations"]!.AsArray();
        // The same box in the next frame, and another box in the first.
        Add(5, 10000010002, [3, 4, 10, 12]);
        Add(6, 10000010001, [3, 4, 10, 13]);
        File.WriteAllText(_folder.PathOf("posetrack.json"), root.ToJsonString());
        for (var i = 0; i < 3; i++) TestPictures.Write(TestPictures.Noise(20, 20, seed: i), _folder.PathOf(FormattableString.Invariant($"video/{i:000000}.png")));
        var data = KeypointData.OpenPoseTrack(
            new PoseTrackOptions { Annotations = "posetrack.json", Images = ".", Supports = [-2, -1, 1, 2] }, TestPictures.Context(_folder.Path));
        // Three samples of five rows; in one box there are three frames, in the other two more than the missing ones.
        Assert.Equal(3 + 3, Check(data));

        void Add(long id, long image, double[] box)
        {
            var person = people[0]!.DeepClone();
            (person["id"], person["image_id"], person["bbox"]) = (id, image, new JsonArray([.. box.Select(number => (JsonNode)number)]));
            people.Add(person);
        }
    }

    [Fact]
    public void Simulated_frames_and_stills_share_the_key_frame_alone()
    {
        File.WriteAllText(_folder.PathOf("coco.json"), AnnotationText.Coco);
        TestPictures.Write(TestPictures.Noise(30, 40), _folder.PathOf("a.png"));
        var context = TestPictures.Context(_folder.Path);
        var simulated = SimulatedVideo.Open(new SimulatedVideoOptions { Annotations = "coco.json" }, context);
        var stills = KeypointData.OpenCoco(new CocoKeypointsOptions { Annotations = "coco.json" }, context);
        Assert.Equal(5, Check(simulated, stills));
    }

    /// <summary>Compares all rows of all samples; returns how many different ones there are.</summary>
    private static int Check(params IPoseData[] sets)
    {
        var inputs = new Dictionary<UInt128, float[]>();
        foreach (var data in sets)
        {
            for (var index = 0; index < data.Count; index++)
            {
                var content = data.Open(index)!;
                var (whole, partial) = (content.Decode(), content.Partial()!);
                foreach (var transform in Transforms)
                {
                    transform.Apply(whole, TestPictures.Random());
                    Assert.True(transform.TakesPartialSamples);
                    transform.Apply(partial, TestPictures.Random());
                }

                foreach (var (name, field) in partial.Fields) Assert.Equal(whole.Fields[name].ToTensor().Values, field.ToTensor().Values);
                var image = whole.Fields["image"].ToTensor();
                var values = (float[])image.Values;
                Assert.Equal(content.Rows.Count, image.IsRows ? image.Shape[0] : 1);
                var length = values.Length / content.Rows.Count;
                for (var row = 0; row < content.Rows.Count; row++)
                {
                    var own = values[(row * length)..((row + 1) * length)];
                    Assert.Equal(inputs.TryAdd(content.Rows[row], own) ? own : inputs[content.Rows[row]], own);
                }
            }
        }

        Assert.Equal(inputs.Count, inputs.Values.Select(values => string.Join(',', values)).Distinct(StringComparer.Ordinal).Count());
        return inputs.Count;
    }
}
