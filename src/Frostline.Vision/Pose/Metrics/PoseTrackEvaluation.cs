namespace Frostline.Vision.Pose;

/// <summary>
/// Average precision of joints as PoseTrack evaluates it (Andriluka et al., "PoseTrack: A Benchmark for Human Pose Estimation and Tracking", CVPR 2018;
/// the facts are those of its evaluation kit). In each frame predicted people are assigned to annotated ones by the part of joints that they hit; a joint
/// is hit within half of the head's size. Then each joint has its own average precision, by the scores of the single joints.
/// </summary>
/// <remarks>
/// As in the evaluation kit, a joint that is predicted for a person where nobody labelled it is a false one, and frames without an annotated person do
/// not count at all. Of equal scores the earlier one comes first.
/// </remarks>
public sealed class PoseTrackEvaluation
{
    private readonly double _threshold;
    private readonly int _jointsOfPerson;
    private readonly int[] _counted;
    private readonly List<(double Score, bool IsRight)>[] _predictions;
    private readonly long[] _labelled;

    /// <summary>Creates an evaluation without frames.</summary>
    /// <param name="skeleton">What the joints are. Those that PoseTrack does not have, such as ears, do not count.</param>
    /// <param name="threshold">How far off a joint may be, in sizes of the head. Default: 0.5.</param>
    /// <exception cref="FrostlineException">PoseTrack has none of the joints.</exception>
    public PoseTrackEvaluation(Skeleton skeleton, double threshold = 0.5)
    {
        ArgumentNullException.ThrowIfNull(skeleton);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threshold);
        _threshold = threshold;
        _jointsOfPerson = skeleton.Joints.Count;
        _counted = [.. Enumerable.Range(0, _jointsOfPerson).Where(j => Skeleton.PoseTrack17.Joints.Contains(skeleton.Joints[j], StringComparer.Ordinal))];
        if (_counted.Length == 0) throw new FrostlineException("the skeleton has no joint that PoseTrack evaluates");
        Joints = [.. _counted.Select(j => skeleton.Joints[j])];
        _predictions = [.. _counted.Select(_ => new List<(double, bool)>())];
        _labelled = new long[_counted.Length];
    }

    /// <summary>The names of the joints that count, in the skeleton's order.</summary>
    public IReadOnlyList<string> Joints { get; }

    /// <summary>The average precision of each of <see cref="Joints"/>, from 0 to 1; NaN where nobody labelled it.</summary>
    public IReadOnlyList<double> PerJoint => [.. Enumerable.Range(0, _counted.Length).Select(AveragePrecision)];

    /// <summary>The mean over the joints that somebody labelled; NaN without any.</summary>
    public double Mean => MeanOf(PerJoint);

    /// <summary>The means over both sides of each joint and over the three of the head, as PoseTrack's tables have them, in the order of <see cref="Joints"/>.</summary>
    public IReadOnlyList<(string Name, double Value)> Groups =>
        [.. Joints.Zip(PerJoint).GroupBy(pair => GroupOf(pair.First), StringComparer.Ordinal).Select(g => (g.Key, MeanOf(g.Select(pair => pair.Second))))];

    /// <summary>Adds a frame.</summary>
    /// <param name="truth">The annotated people of the frame.</param>
    /// <param name="predicted">The predicted people of the frame.</param>
    /// <param name="ignored">Polygons within which joints, annotated and predicted, do not count; null for none.</param>
    /// <exception cref="FrostlineException">The numbers of joints differ, or a person with labelled joints has no box around the head.</exception>
    public void Add(
        IReadOnlyList<PersonAnnotation> truth,
        IReadOnlyList<PredictedPerson> predicted,
        IReadOnlyList<IReadOnlyList<(double X, double Y)>>? ignored = null)
    {
        ArgumentNullException.ThrowIfNull(truth);
        ArgumentNullException.ThrowIfNull(predicted);
        if (truth.Count == 0) return;
        var regions = ignored ?? [];
        var people = truth.Select(person => new Person(person, Places(person, regions), SizeOf(person))).Where(p => regions.Count == 0 || p.Count > 0).ToList();
        var guesses = predicted.Select(person => new Guess(person, Places(person, regions))).Where(g => g.Places.Any(place => place is not null)).ToList();
        foreach (var person in people)
            for (var j = 0; j < _counted.Length; j++)
                if (person.Places[j] is not null) _labelled[j]++;
        var assigned = Assign(people, guesses);
        for (var g = 0; g < guesses.Count; g++)
        {
            for (var j = 0; j < _counted.Length; j++)
            {
                if (guesses[g].Places[j] is null) continue;
                var isRight = assigned[g] is { } person && Hits(guesses[g], person, j);
                _predictions[j].Add((guesses[g].Of.Joints[_counted[j]].Score, isRight));
            }
        }
    }

    /// <summary>For each prediction the person that is its own: it hits most of that one's joints, and no prediction hits more of them.</summary>
    private Person?[] Assign(List<Person> people, List<Guess> guesses)
    {
        var assigned = new Person?[guesses.Count];
        if (people.Count == 0) return assigned;
        var best = new (int Guess, double Part)[people.Count];
        for (var g = 0; g < guesses.Count; g++)
        {
            var parts = people.ConvertAll(person => PartHit(guesses[g], person));
            var own = parts.IndexOf(parts.Max());
            if (parts[own] > best[own].Part) best[own] = (g, parts[own]);
        }

        for (var p = 0; p < people.Count; p++)
            if (best[p].Part > 0) assigned[best[p].Guess] = people[p];
        return assigned;
    }

    private double PartHit(Guess guess, Person person) =>
        person.Count == 0 ? 0 : (double)Enumerable.Range(0, _counted.Length).Count(j => Hits(guess, person, j)) / person.Count;

    private bool Hits(Guess guess, Person person, int joint)
    {
        if (guess.Places[joint] is not { } found || person.Places[joint] is not { } place) return false;
        var (dx, dy) = (found.X - place.X, found.Y - place.Y);
        return Math.Sqrt((dx * dx) + (dy * dy)) / person.HeadSize <= _threshold;
    }

    private (double X, double Y)?[] Places(PersonAnnotation person, IReadOnlyList<IReadOnlyList<(double X, double Y)>> regions)
    {
        Require(person.Joints.Count);
        return [.. _counted.Select(j => person.Joints[j]).Select(joint => joint.IsLabelled ? Outside(joint.X, joint.Y, regions) : null)];
    }

    private (double X, double Y)?[] Places(PredictedPerson person, IReadOnlyList<IReadOnlyList<(double X, double Y)>> regions)
    {
        Require(person.Joints.Count);
        return [.. _counted.Select(j => person.Joints[j]).Select(joint => Outside(joint.X, joint.Y, regions))];
    }

    private static (double X, double Y)? Outside(double x, double y, IReadOnlyList<IReadOnlyList<(double X, double Y)>> regions) =>
        regions.Any(region => IsInside(region, x, y)) ? null : (x, y);

    /// <summary>Whether a ray from the point crosses the polygon's border an odd number of times.</summary>
    private static bool IsInside(IReadOnlyList<(double X, double Y)> polygon, double x, double y)
    {
        var inside = false;
        for (var i = 0; i < polygon.Count; i++)
        {
            var (a, b) = (polygon[i], polygon[(i + 1) % polygon.Count]);
            if ((a.Y > y) != (b.Y > y) && x < a.X + ((y - a.Y) / (b.Y - a.Y) * (b.X - a.X))) inside = !inside;
        }

        return inside;
    }

    private static double SizeOf(PersonAnnotation person)
    {
        if (person.Head is { } head) return PckEvaluation.HeadSize(head);
        return person.LabelledJoints == 0
            ? 0
            : throw new FrostlineException($"the person {person.Id} of image {person.ImageId} has no box around the head, by which PoseTrack measures");
    }

    /// <summary>The area under the curve of precision over recall, made monotone, as Pascal VOC has it since 2010.</summary>
    private double AveragePrecision(int joint)
    {
        if (_labelled[joint] == 0) return double.NaN;
        // Precision rises to the greatest one at any greater recall: the curve is walked from its end.
        var ordered = _predictions[joint].OrderByDescending(p => p.Score).Select(p => p.IsRight).ToList();
        double right = ordered.Count(isRight => isRight), best = 0, area = 0;
        for (var i = ordered.Count; i > 0; i--)
        {
            best = Math.Max(best, right / i);
            if (!ordered[i - 1]) continue;
            area += best / _labelled[joint];
            right--;
        }

        return area;
    }

    private static double MeanOf(IEnumerable<double> values) => values.Where(v => !double.IsNaN(v)).DefaultIfEmpty(double.NaN).Average();

    private static string GroupOf(string joint) =>
        joint is "nose" or "head_bottom" or "head_top" ? "head" : joint[(joint.IndexOf('_', StringComparison.Ordinal) + 1)..];

    private void Require(int joints)
    {
        if (joints != _jointsOfPerson)
            throw new FrostlineException($"a person has {joints} joints and the skeleton {_jointsOfPerson}; give the skeleton of these data");
    }

    private sealed record Guess(PredictedPerson Of, (double X, double Y)?[] Places);

    private sealed record Person(PersonAnnotation Of, (double X, double Y)?[] Places, double HeadSize)
    {
        public int Count { get; } = Places.Count(place => place is not null);
    }
}
