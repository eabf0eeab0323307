using CsCheck;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Measures of single joints: the percentage of correct keypoints, and PoseTrack's average precision.</summary>
public sealed class JointAccuracyTests
{
    private static readonly Box Head = new(0, 0, 30, 40);

    [Fact]
    public void A_length_in_a_person_is_measured_between_labelled_joints_only()
    {
        var person = Lsp(new() { ["left_shoulder"] = (10, 10), ["right_hip"] = (13, 14), ["neck"] = (0, 0), ["head_top"] = (6, 8) });
        Assert.Equal(5, Length(person, PckReference.Torso));
        Assert.Equal(200, Length(person, PckReference.Box));
        Assert.Equal(10, Length(person, PckReference.Head));
        Assert.Equal(30, Length(person with { Head = Head }, PckReference.Head));
        var other = Lsp(new() { ["right_shoulder"] = (0, 0), ["left_hip"] = (8, 6), ["left_shoulder"] = (1, 1) });
        Assert.Equal(10, Length(other, PckReference.Torso));
        Assert.Null(Length(other, PckReference.Head));
        Assert.Null(Length(other with { Box = default }, PckReference.Box));
        Assert.Null(Length(Lsp(new() { ["left_shoulder"] = (1, 1), ["right_hip"] = (1, 1) }), PckReference.Torso));
        Assert.Equal(30, PckEvaluation.HeadSize(Head));

        static double? Length(PersonAnnotation person, PckReference reference) => PckEvaluation.LengthOf(person, Skeleton.Lsp, reference);
    }

    [Fact]
    public void Correct_joints_lie_within_a_part_of_the_length_and_only_labelled_ones_count()
    {
        var person = Lsp(new() { ["left_shoulder"] = (0, 0), ["right_hip"] = (30, 40), ["neck"] = (100, 100) });
        var evaluation = new PckEvaluation(Skeleton.Lsp, PckReference.Torso, 0.2);
        // 10 is a fifth of 50, 11 is more; what is found for joints without a label is not looked at.
        var found = Found(Skeleton.Lsp, new() { ["left_shoulder"] = (6, 8), ["right_hip"] = (30, 51), ["neck"] = (100, 100) });
        evaluation.Add(person, found);
        Assert.Equal(2 / 3.0, evaluation.Total, 1e-12);
        Assert.Equal(1, evaluation.PerJoint[Skeleton.Lsp.IndexOf("neck")]);
        Assert.Equal(0, evaluation.PerJoint[Skeleton.Lsp.IndexOf("right_hip")]);
        Assert.True(double.IsNaN(evaluation.PerJoint[0]));
        evaluation.Add(Lsp(new() { ["neck"] = (1, 1) }), found);
        Assert.Equal(1, evaluation.WithoutReference);
        evaluation.Add(Lsp([]), found);
        Assert.Equal((2 / 3.0, 1), (evaluation.Total, evaluation.WithoutReference));
        Assert.Throws<FrostlineException>(() => evaluation.Add(person, found[1..]));
        Assert.True(double.IsNaN(new PckEvaluation(Skeleton.Lsp, PckReference.Box, 0.1).Total));
    }

    [Fact]
    public void PoseTracks_precision_is_that_of_a_case_worked_by_hand()
    {
        // Two people with a head of size 30, so that 15 pixels count; noses and left wrists.
        PersonAnnotation first = Tracked(1, (100, 100), (150, 150)), second = Tracked(1, (400, 100), null);
        var hitsBoth = Guess((105, 100), 0.9, (150, 160), 0.3);
        var hitsNoseAgain = Guess((110, 100), 0.8, (190, 150), 0.7);
        var hitsSecond = Guess((400, 114), 0.5, (440, 150), 0.6);
        var evaluation = new PoseTrackEvaluation(Skeleton.PoseTrack18);
        evaluation.Add([first, second], [hitsNoseAgain, hitsBoth, hitsSecond]);
        // Noses by score: 0.9 right, 0.8 false (the first person is taken by who hits more of it), 0.5 right: 1/2 * 1 + 1/2 * 2/3.
        Assert.Equal((1 / 2.0) + (1 / 3.0), Ap("nose"), 1e-12);
        // Wrists: 0.7 false, 0.6 false though nobody labelled it, 0.3 right.
        Assert.Equal(1 / 3.0, Ap("left_wrist"), 1e-12);
        Assert.True(double.IsNaN(Ap("right_knee")));
        Assert.Equal((Ap("nose") + Ap("left_wrist")) / 2, evaluation.Mean, 1e-12);
        Assert.Equal(15, evaluation.Joints.Count);
        Assert.DoesNotContain("left_ear", evaluation.Joints);
        Assert.Equal(["head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"], evaluation.Groups.Select(group => group.Name));
        Assert.Equal(Ap("nose"), evaluation.Groups[0].Value);
        // A frame in which nobody is annotated changes nothing; one in which nobody is found does.
        evaluation.Add([], [hitsBoth]);
        Assert.Equal(1 / 3.0, Ap("left_wrist"), 1e-12);
        evaluation.Add([first], []);
        Assert.Equal(1 / 6.0, Ap("left_wrist"), 1e-12);

        double Ap(string joint) => evaluation.PerJoint[evaluation.Joints.ToList().IndexOf(joint)];
    }

    [Fact]
    public void What_lies_in_an_ignored_region_does_not_count()
    {
        (double X, double Y)[] region = [(90, 90), (120, 90), (120, 120), (90, 120)];
        var evaluation = new PoseTrackEvaluation(Skeleton.PoseTrack18);
        PersonAnnotation inside = Tracked(1, (100, 100), null), outside = Tracked(1, (300, 100), null);
        evaluation.Add([inside, outside], [Guess((101, 101), 0.9, (95, 95), 0.9), Guess((301, 100), 0.5, (100, 95), 0.9)], [region]);
        Assert.Equal(1, evaluation.PerJoint[0], 1e-12);
        Assert.Equal(1, evaluation.Mean, 1e-12);
        evaluation.Add([inside], [Guess((500, 500), 0.9, (95, 95), 0.9)], [region]);
        Assert.Equal(0.5, evaluation.PerJoint[0], 1e-12);
    }

    [Fact]
    public void Found_people_are_found_whatever_their_order() => Gen.Select(Gen.Double[0, 1000].Array[6, 40], Gen.Int[0, 1000]).Holds(
        (places, seed) =>
        {
            // People far from one another, each found within a few pixels.
            var people = places.Chunk(2).Where(p => p.Length == 2).Select((p, i) => Tracked(1, (p[0] + (2000 * i), p[1]), (p[1] + (2000 * i), p[0]))).ToList();
            var guesses = people.Select((person, i) => Guess(
                (person.Joints[0].X + (i % 10), person.Joints[0].Y), 0.1 * (i % 7), (person.Joints[9].X, person.Joints[9].Y - (i % 9)), 0.2)).ToArray();
            new CounterRandom(seed, "order").Shuffle<PredictedPerson>(guesses);
            var evaluation = new PoseTrackEvaluation(Skeleton.PoseTrack18);
            evaluation.Add(people, guesses);
            Assert.Equal(1, evaluation.Mean, 1e-9);
        },
        samples: 50);

    [Fact]
    public void Data_that_PoseTrack_cannot_measure_are_told()
    {
        var evaluation = new PoseTrackEvaluation(Skeleton.PoseTrack18);
        var headless = Tracked(1, (1, 1), null) with { Head = null };
        Assert.Contains("head", Assert.Throws<FrostlineException>(() => evaluation.Add([headless], [])).Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => evaluation.Add([headless with { Joints = [] }], []));
        Assert.Throws<FrostlineException>(() => new PoseTrackEvaluation(new Skeleton(["tail"])));
    }

    private static PersonAnnotation Lsp(Dictionary<string, (double X, double Y)> joints) => new()
    {
        Id = 1,
        ImageId = 1,
        Box = new Box(0, 0, 100, 200),
        Joints = [.. Skeleton.Lsp.Joints.Select(n => joints.TryGetValue(n, out var p) ? new Joint(p.X, p.Y, JointVisibility.Visible) : default)],
    };

    private static PredictedJoint[] Found(Skeleton skeleton, Dictionary<string, (double X, double Y)> joints) =>
        [.. skeleton.Joints.Select(name => joints.TryGetValue(name, out var p) ? new PredictedJoint(p.X, p.Y, 1) : default)];

    private static PersonAnnotation Tracked(long image, (double X, double Y) nose, (double X, double Y)? wrist)
    {
        var joints = new Joint[17];
        joints[0] = new Joint(nose.X, nose.Y, JointVisibility.Visible);
        if (wrist is { } place) joints[9] = new Joint(place.X, place.Y, JointVisibility.Visible);
        return new PersonAnnotation { Id = 1, ImageId = image, Box = new Box(0, 0, 100, 200), Joints = joints, Head = Head };
    }

    /// <summary>A prediction whose other joints are far from everybody.</summary>
    private static PredictedPerson Guess((double X, double Y) nose, double noseScore, (double X, double Y) wrist, double wristScore)
    {
        var joints = Enumerable.Repeat(new PredictedJoint(-1000, -1000, 0), 17).ToArray();
        joints[0] = new PredictedJoint(nose.X, nose.Y, noseScore);
        joints[9] = new PredictedJoint(wrist.X, wrist.Y, wristScore);
        return new PredictedPerson { ImageId = 1, Joints = joints, Score = 1 };
    }
}
