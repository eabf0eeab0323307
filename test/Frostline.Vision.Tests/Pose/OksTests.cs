using CsCheck;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

public sealed class OksTests
{
    private static readonly IReadOnlyList<double> Sigmas = Skeleton.Coco.Sigmas!;

    private static readonly Gen<List<(PredictedPerson Person, double Area)>> Crowds = Gen.Select(
        Gen.Double[0, 300].Array[34],
        Gen.Double[-30, 30].Array[0, 12],
        Gen.Double[0, 1],
        (places, shifts, score) => shifts.Select((shift, i) => (
            Of([.. Enumerable.Range(0, 17).Select(j => new PredictedJoint(places[2 * j] + shift, places[(2 * j) + 1] - (shift / 2), (j % 5) / 5.0))],
                score * ((i * 7) % 11)),
            500.0 + (200 * i))).ToList());

    [Fact]
    public void Similarities_and_what_is_kept_are_those_of_the_official_code()
    {
        var cases = PoseGolden.Cases("oks_nms");
        Assert.Equal(20, cases.Count);
        foreach (var one in cases)
        {
            double[] areas = one.Numbers("areas"), scores = one.Numbers("scores");
            var least = one.GetProperty("in_vis_thre") is { ValueKind: System.Text.Json.JsonValueKind.Number } number ? number.GetDouble() : (double?)null;
            var threshold = one.GetProperty("thresh").GetDouble();
            var people = one.GetProperty("keypoints").EnumerateArray()
                .Select((person, i) => Of([.. person.EnumerateArray().Select(PoseGolden.Numbers).Select(p => new PredictedJoint(p[0], p[1], p[2]))], scores[i]))
                .ToList();
            var matrix = one.Rows("oks_matrix");
            for (var a = 0; a < people.Count; a++)
            {
                for (var b = 0; b < people.Count; b++)
                    Assert.Equal(matrix[a][b], ObjectKeypointSimilarity.Between(people[a].Joints, areas[a], people[b].Joints, areas[b], Sigmas, least), 1e-12);
            }

            Assert.Equal(one.Numbers("keep").Select(i => (int)i), OksNms.Hard(people, areas, Sigmas, threshold, least));
            Assert.Equal(one.Numbers("soft_keep").Select(i => (int)i), OksNms.Soft(people, areas, Sigmas, threshold, least));
        }
    }

    [Fact]
    public void Those_kept_are_not_too_similar_and_each_other_is_similar_to_a_better_one() => Gen.Select(Crowds, Gen.Double[0.05, 0.95]).Holds(
        (crowd, threshold) =>
        {
            var (people, areas) = (crowd.ConvertAll(p => p.Person), crowd.ConvertAll(p => p.Area));
            var kept = OksNms.Hard(people, areas, Sigmas, threshold);
            for (var i = 1; i < kept.Count; i++) Assert.True(people[kept[i - 1]].Score >= people[kept[i]].Score);
            foreach (var a in kept)
                foreach (var b in kept) Assert.True(a == b || Similarity(a, b) <= threshold);
            foreach (var dropped in Enumerable.Range(0, people.Count).Except(kept))
                Assert.Contains(kept, better => people[better].Score >= people[dropped].Score && Similarity(better, dropped) > threshold);

            double Similarity(int a, int b) => ObjectKeypointSimilarity.Between(people[a].Joints, areas[a], people[b].Joints, areas[b], Sigmas);
        },
        samples: 200);

    [Fact]
    public void Soft_suppression_takes_each_once_best_first_and_no_more_than_asked_for() => Crowds.Holds(
        crowd =>
        {
            var (people, areas) = (crowd.ConvertAll(p => p.Person), crowd.ConvertAll(p => p.Area));
            var all = OksNms.Soft(people, areas, Sigmas);
            Assert.Equal(Enumerable.Range(0, people.Count), all.Order());
            if (people.Count > 0) Assert.Equal(people.Max(p => p.Score), people[all[0]].Score);
            Assert.Equal(all.Take(3), OksNms.Soft(people, areas, Sigmas, most: 3));
        },
        samples: 100);

    [Fact]
    public void A_person_is_like_itself_and_less_like_one_farther_off()
    {
        var joints = Enumerable.Range(0, 17).Select(j => new PredictedJoint(j * 5, j * 7, 1)).ToArray();
        Assert.Equal(1, ObjectKeypointSimilarity.Between(joints, 900, joints, 900, Sigmas));
        Assert.Equal(0, ObjectKeypointSimilarity.Between(joints, 900, joints, 900, Sigmas, visibleAbove: 1));
        var before = 1.0;
        foreach (var shift in new[] { 1, 2, 5, 10, 40 })
        {
            var now = ObjectKeypointSimilarity.Between(joints, 900, [.. joints.Select(j => j with { X = j.X + shift })], 900, Sigmas);
            Assert.True(now < before);
            before = now;
        }

        var error = Assert.Throws<FrostlineException>(() => ObjectKeypointSimilarity.Between(joints[1..], 1, joints, 1, Sigmas));
        Assert.Contains("16 joints", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_persons_score_is_the_boxs_times_the_mean_of_the_sure_joints()
    {
        PredictedJoint[] joints = [new(0, 0, 0.1), new(0, 0, 0.2), new(0, 0, 0.4), new(0, 0, 0.8)];
        Assert.Equal(0.5 * 0.6, PersonScore.Of(0.5, joints), 1e-12);
        Assert.Equal(0, PersonScore.Of(0.5, joints, threshold: 0.9));
        Assert.Equal(0.375, PersonScore.Of(1, joints, threshold: 0), 1e-12);
    }

    private static PredictedPerson Of(IReadOnlyList<PredictedJoint> joints, double score) => new() { ImageId = 1, Joints = joints, Score = score };
}
