namespace Frostline.Vision.Pose;

/// <summary>
/// Average precision and recall of predicted people as COCO evaluates keypoints (cocodataset.org; the same numbers as pycocotools): ten thresholds of
/// object keypoint similarity, 101 steps of recall, the best 20 predictions of each image, three ranges of area.
/// </summary>
public static class CocoKeypointEvaluation
{
    private const int MostPredictions = 20;

    private static readonly double[] Thresholds = Steps(0.5, 0.95, 10);
    private static readonly double[] Recalls = Steps(0, 1, 101);

    // People of less than 32 x 32 pixels count in none of the two narrower ranges.
    private static readonly (double Least, double Most)[] Areas = [(0, 1e10), (32 * 32, 96 * 96), (96 * 96, 1e10)];

    /// <summary>Evaluates predictions.</summary>
    /// <param name="truth">
    /// The annotated people. A crowd, and a person without labelled joints, is neither found nor missed; a prediction that fits it does not count.
    /// </param>
    /// <param name="predictions">
    /// The predicted people. Those of images without an annotated person are false. Of equal scores the earlier one comes first.
    /// </param>
    /// <param name="sigmas">The falloff of each joint, <see cref="Skeleton.Sigmas"/>.</param>
    /// <exception cref="FrostlineException">The numbers of joints differ.</exception>
    public static CocoKeypointScores Evaluate(
        IReadOnlyList<PersonAnnotation> truth, IReadOnlyList<PredictedPerson> predictions, IReadOnlyList<double> sigmas)
    {
        ArgumentNullException.ThrowIfNull(truth);
        ArgumentNullException.ThrowIfNull(predictions);
        ArgumentNullException.ThrowIfNull(sigmas);
        var annotated = truth.ToLookup(person => person.ImageId);
        var predicted = predictions.ToLookup(person => person.ImageId);
        var images = annotated.Select(group => group.Key).Union(predicted.Select(group => group.Key)).Order()
            .Select(id => new ImageMatching([.. annotated[id]], [.. predicted[id]], sigmas)).ToList();
        var (all, medium, large) = (Curves(images, 0), Curves(images, 1), Curves(images, 2));
        return new CocoKeypointScores
        {
            Ap = all.Precision.Average(),
            Ap50 = all.Precision[0],
            Ap75 = all.Precision[5],
            ApMedium = medium.Precision.Average(),
            ApLarge = large.Precision.Average(),
            Ar = all.Recall.Average(),
            Ar50 = all.Recall[0],
            Ar75 = all.Recall[5],
            ArMedium = medium.Recall.Average(),
            ArLarge = large.Recall.Average(),
            Thresholds = Thresholds,
            Precision = all.Precision,
            Recall = all.Recall,
        };
    }

    /// <summary>For one range of area, the average precision and the recall at each threshold; NaN where nobody is annotated.</summary>
    private static (double[] Precision, double[] Recall) Curves(List<ImageMatching> images, int area)
    {
        var (precision, recall) = (new double[Thresholds.Length], new double[Thresholds.Length]);
        Array.Fill(precision, double.NaN);
        Array.Fill(recall, double.NaN);
        var people = images.Sum(image => image.CountedIn(area));
        if (people == 0) return (precision, recall);
        // A stable sort, as pycocotools' is: the order of equal scores is that of the images.
        var outcomes = images.SelectMany(image => image.Match(area)).OrderByDescending(p => p.Score).Select(p => p.Outcomes).ToList();
        for (var t = 0; t < Thresholds.Length; t++) (precision[t], recall[t]) = Curve([.. outcomes.Select(all => all[t])], people);
        return (precision, recall);
    }

    /// <summary>The area under the curve of precision over recall, made monotone, at 101 steps; and the recall at its end.</summary>
    private static (double Precision, double Recall) Curve(IReadOnlyList<Outcome> outcomes, int people)
    {
        List<double> recalls = [], precisions = [];
        double right = 0, wrong = 0;
        foreach (var outcome in outcomes)
        {
            if (outcome == Outcome.Right) right++;
            if (outcome == Outcome.Wrong) wrong++;
            recalls.Add(right / people);
            precisions.Add(right / (right + wrong + ObjectKeypointSimilarity.Epsilon));
        }

        for (var i = precisions.Count - 1; i > 0; i--) precisions[i - 1] = Math.Max(precisions[i - 1], precisions[i]);
        double sum = 0;
        var at = 0;
        foreach (var step in Recalls)
        {
            while (at < recalls.Count && recalls[at] < step) at++;
            if (at == recalls.Count) break;
            sum += precisions[at];
        }

        return (sum / Recalls.Length, recalls.Count == 0 ? 0 : recalls[^1]);
    }

    private static double[] Steps(double from, double to, int count)
    {
        var step = (to - from) / (count - 1);
        var steps = Enumerable.Range(0, count).Select(i => (i * step) + from).ToArray();
        steps[^1] = to;
        return steps;
    }

    private enum Outcome
    {
        Wrong,
        Right,
        NotCounted,
    }

    /// <summary>The people and the best predictions of one image.</summary>
    private sealed class ImageMatching
    {
        private readonly PersonAnnotation[] _people;
        private readonly bool[] _uncounted;
        private readonly PredictedPerson[] _predictions;
        private readonly double[] _predictedAreas;
        private readonly double[][] _similarities;

        public ImageMatching(PersonAnnotation[] people, PredictedPerson[] predictions, IReadOnlyList<double> sigmas)
        {
            _people = people;
            _uncounted = [.. people.Select(person => person.IsCrowd || person.LabelledJoints == 0)];
            _predictions = [.. predictions.OrderByDescending(p => p.Score).Take(MostPredictions)];
            _predictedAreas = [.. _predictions.Select(p => AreaOf(p.Joints))];
            _similarities = [.. _predictions.Select(p => people.Select(person => ObjectKeypointSimilarity.Of(p.Joints, person, sigmas)).ToArray())];
        }

        /// <summary>How many people are to be found.</summary>
        public int CountedIn(int area) => Enumerable.Range(0, _people.Length).Count(i => !IsIgnored(i, area));

        /// <summary>For each prediction, what it comes to at each threshold.</summary>
        public IEnumerable<(double Score, Outcome[] Outcomes)> Match(int area)
        {
            // Those that count come first; a prediction falls to the others only where none of these fits.
            int[] order = [.. Enumerable.Range(0, _people.Length).OrderBy(i => IsIgnored(i, area))];
            var outcomes = _predictions.Select(_ => new Outcome[Thresholds.Length]).ToArray();
            for (var t = 0; t < Thresholds.Length; t++)
            {
                var taken = new bool[_people.Length];
                for (var p = 0; p < _predictions.Length; p++)
                {
                    var found = Best(order, p, area, Thresholds[t], taken);
                    if (found >= 0) taken[found] = true;
                    outcomes[p][t] = found >= 0
                        ? IsIgnored(found, area) ? Outcome.NotCounted : Outcome.Right
                        : IsIn(_predictedAreas[p], area) ? Outcome.Wrong : Outcome.NotCounted;
                }
            }

            return _predictions.Select((p, i) => (p.Score, outcomes[i]));
        }

        private int Best(int[] order, int prediction, int area, double threshold, bool[] taken)
        {
            var (best, least) = (-1, Math.Min(threshold, 1 - 1e-10));
            foreach (var person in order)
            {
                if (taken[person] && !_people[person].IsCrowd) continue;
                if (best >= 0 && !IsIgnored(best, area) && IsIgnored(person, area)) break;
                if (_similarities[prediction][person] < least) continue;
                (best, least) = (person, _similarities[prediction][person]);
            }

            return best;
        }

        private bool IsIgnored(int person, int area) => _uncounted[person] || !IsIn(_people[person].Area, area);

        private static bool IsIn(double value, int area) => !(value < Areas[area].Least) && !(value > Areas[area].Most);

        /// <summary>The area of the box around all joints, found or not, as pycocotools takes it.</summary>
        private static double AreaOf(IReadOnlyList<PredictedJoint> joints) =>
            joints.Count == 0 ? 0 : (joints.Max(j => j.X) - joints.Min(j => j.X)) * (joints.Max(j => j.Y) - joints.Min(j => j.Y));
    }
}

/// <summary>COCO's numbers for predicted keypoints, each from 0 to 1; NaN where nobody of that range is annotated.</summary>
public sealed record CocoKeypointScores
{
    /// <summary>Average precision, the mean over the thresholds 0.5 to 0.95 of object keypoint similarity.</summary>
    public required double Ap { get; init; }

    /// <summary>Average precision at the threshold 0.5.</summary>
    public required double Ap50 { get; init; }

    /// <summary>Average precision at the threshold 0.75.</summary>
    public required double Ap75 { get; init; }

    /// <summary>Average precision for people of 32 x 32 to 96 x 96 pixels.</summary>
    public required double ApMedium { get; init; }

    /// <summary>Average precision for people of at least 96 x 96 pixels.</summary>
    public required double ApLarge { get; init; }

    /// <summary>Average recall, the mean over the thresholds.</summary>
    public required double Ar { get; init; }

    /// <summary>Recall at the threshold 0.5.</summary>
    public required double Ar50 { get; init; }

    /// <summary>Recall at the threshold 0.75.</summary>
    public required double Ar75 { get; init; }

    /// <summary>Average recall for people of 32 x 32 to 96 x 96 pixels.</summary>
    public required double ArMedium { get; init; }

    /// <summary>Average recall for people of at least 96 x 96 pixels.</summary>
    public required double ArLarge { get; init; }

    /// <summary>The thresholds of object keypoint similarity: 0.5, 0.55 to 0.95.</summary>
    public required IReadOnlyList<double> Thresholds { get; init; }

    /// <summary>Average precision at each threshold.</summary>
    public required IReadOnlyList<double> Precision { get; init; }

    /// <summary>Recall at each threshold.</summary>
    public required IReadOnlyList<double> Recall { get; init; }
}
