using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

public sealed class CocoKeypointEvaluationTests
{
    private static readonly IReadOnlyList<double> Sigmas = Skeleton.Coco.Sigmas!;

    [Fact]
    public void All_numbers_are_those_of_pycocotools()
    {
        var expected = PoseGolden.Json("coco_expected");
        var scores = CocoKeypointEvaluation.Evaluate(Truth(), Predictions(), Sigmas);
        (string Name, double Value)[] values =
        [
            ("AP", scores.Ap), ("AP50", scores.Ap50), ("AP75", scores.Ap75), ("APM", scores.ApMedium), ("APL", scores.ApLarge),
            ("AR", scores.Ar), ("AR50", scores.Ar50), ("AR75", scores.Ar75), ("ARM", scores.ArMedium), ("ARL", scores.ArLarge),
        ];
        foreach (var (name, value) in values) Assert.Equal(expected.GetProperty("stats").GetProperty(name).GetDouble(), value, 1e-9);
        AssertClose(expected.Numbers("iou_thrs"), scores.Thresholds);
        AssertClose(expected.Numbers("ap_per_iou_all"), scores.Precision);
        AssertClose(expected.Numbers("recall_per_iou_all"), scores.Recall);
    }

    [Fact]
    public void Similarities_to_annotations_are_those_of_pycocotools()
    {
        var people = Truth().ToDictionary(person => person.Id);
        var predictions = Predictions();
        var compared = 0;
        foreach (var image in PoseGolden.Json("coco_expected").GetProperty("oks").EnumerateObject())
        {
            var ids = image.Value.Numbers("gt_ids").Select(id => people[(long)id]).ToList();
            var order = image.Value.Numbers("dt_index_in_file").Select(i => predictions[(int)i]).ToList();
            foreach (var (prediction, row) in order.Zip(image.Value.Rows("oks")))
            {
                foreach (var (person, similarity) in ids.Zip(row))
                {
                    Assert.Equal(similarity, ObjectKeypointSimilarity.Of(prediction.Joints, person, Sigmas), 1e-12);
                    compared++;
                }
            }
        }

        Assert.True(compared > 100);
    }

    [Fact]
    public void Perfect_predictions_are_perfect_and_none_find_nothing()
    {
        var truth = Truth();
        var perfect = truth.Where(person => !person.IsCrowd && person.LabelledJoints > 0)
            .Select(person => new PredictedPerson
            {
                ImageId = person.ImageId,
                Joints = [.. person.Joints.Select(joint => new PredictedJoint(joint.X, joint.Y, 1))],
                Score = 0.5,
            }).ToList();
        var scores = CocoKeypointEvaluation.Evaluate(truth, perfect, Sigmas);
        Assert.Equal((1.0, 1.0, 1.0), (scores.Ap, scores.Ar, scores.ApLarge), (a, b) => Math.Abs(a.Item1 - b.Item1) + Math.Abs(a.Item2 - b.Item2) < 1e-9);
        var none = CocoKeypointEvaluation.Evaluate(truth, [], Sigmas);
        Assert.Equal((0.0, 0.0), (none.Ap, none.Ar));
        var nobody = CocoKeypointEvaluation.Evaluate([], perfect, Sigmas);
        Assert.True(double.IsNaN(nobody.Ap) && double.IsNaN(nobody.ArMedium));
    }

    [Fact]
    public void Of_an_image_only_the_twenty_best_count()
    {
        var person = Truth().First(p => p.LabelledJoints > 10);
        PredictedJoint[] exact = [.. person.Joints.Select(joint => new PredictedJoint(joint.X, joint.Y, 1))];
        var far = Enumerable.Range(0, 20).Select(i => Of(person.ImageId, [.. exact.Select(j => j with { X = j.X + 1e4 })], 0.9));
        Assert.Equal(0, CocoKeypointEvaluation.Evaluate([person], [.. far, Of(person.ImageId, exact, 0.5)], Sigmas).Ar);
        Assert.Equal(1, CocoKeypointEvaluation.Evaluate([person], [.. far.Skip(1), Of(person.ImageId, exact, 0.5)], Sigmas).Ar);
    }

    private static PredictedPerson Of(long image, IReadOnlyList<PredictedJoint> joints, double score) =>
        new() { ImageId = image, Joints = joints, Score = score };

    private static List<PersonAnnotation> Truth() =>
        [.. PoseGolden.Json("coco_gt").GetProperty("annotations").EnumerateArray().Select(person => new PersonAnnotation
        {
            Id = person.GetProperty("id").GetInt64(),
            ImageId = person.GetProperty("image_id").GetInt64(),
            Box = person.Numbers("bbox") is [var x, var y, var width, var height] ? new Box(x, y, width, height) : default,
            Area = person.GetProperty("area").GetDouble(),
            IsCrowd = person.GetProperty("iscrowd").GetInt32() == 1,
            Joints = [.. person.Numbers("keypoints").Chunk(3).Select(p => new Joint(p[0], p[1], (JointVisibility)(int)p[2]))],
        })];

    private static List<PredictedPerson> Predictions() =>
        [.. PoseGolden.Json("coco_dt").EnumerateArray().Select(person => Of(
            person.GetProperty("image_id").GetInt64(),
            [.. person.Numbers("keypoints").Chunk(3).Select(p => new PredictedJoint(p[0], p[1], p[2]))],
            person.GetProperty("score").GetDouble()))];

    private static void AssertClose(double[] expected, IReadOnlyList<double> actual)
    {
        Assert.Equal(expected.Length, actual.Count);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-9);
    }
}
