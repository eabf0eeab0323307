namespace Frostline.Vision.Pose;

/// <summary>Removes predictions of one image that show a person twice, by <see cref="ObjectKeypointSimilarity"/>, as the official code of HRNet does.</summary>
public static class OksNms
{
    /// <summary>Keeps the best prediction, drops those too similar to it, and so on with the rest.</summary>
    /// <param name="people">The predictions of one image.</param>
    /// <param name="areas">The area of each in square pixels; in the official code that of the view with its padding.</param>
    /// <param name="sigmas">The falloff of each joint.</param>
    /// <param name="threshold">More similar ones are dropped. Default: 0.9.</param>
    /// <param name="visibleAbove">Only joints count whose score in the worse prediction is above this; null, the default, for all.</param>
    /// <returns>The indices of those kept, best first; of equal scores the earlier first.</returns>
    /// <exception cref="FrostlineException">The numbers of joints or areas differ.</exception>
    public static IReadOnlyList<int> Hard(
        IReadOnlyList<PredictedPerson> people,
        IReadOnlyList<double> areas,
        IReadOnlyList<double> sigmas,
        double threshold = 0.9,
        double? visibleAbove = null)
    {
        Require(people, areas);
        var left = Enumerable.Range(0, people.Count).OrderByDescending(i => people[i].Score).ToList();
        List<int> kept = [];
        while (left.Count > 0)
        {
            var best = left[0];
            kept.Add(best);
            left = [.. left.Skip(1).Where(i => Similarity(people, areas, sigmas, best, i, visibleAbove) <= threshold)];
        }

        return kept;
    }

    /// <summary>Takes the best prediction, lowers the scores of the others by exp(-oks^2 / threshold), and so on with the rest.</summary>
    /// <param name="people">The predictions of one image.</param>
    /// <param name="areas">The area of each in square pixels; in the official code that of the view with its padding.</param>
    /// <param name="sigmas">The falloff of each joint.</param>
    /// <param name="threshold">The less, the more similar ones fall. Default: 0.9.</param>
    /// <param name="visibleAbove">Only joints count whose score in the worse prediction is above this; null, the default, for all.</param>
    /// <param name="most">How many are kept at the most. Default: 20.</param>
    /// <returns>The indices of those kept, in the order they were taken in.</returns>
    /// <exception cref="FrostlineException">The numbers of joints or areas differ.</exception>
    public static IReadOnlyList<int> Soft(
        IReadOnlyList<PredictedPerson> people,
        IReadOnlyList<double> areas,
        IReadOnlyList<double> sigmas,
        double threshold = 0.9,
        double? visibleAbove = null,
        int most = 20)
    {
        Require(people, areas);
        var left = Enumerable.Range(0, people.Count).Select(i => (Index: i, people[i].Score)).OrderByDescending(p => p.Score).ToList();
        List<int> kept = [];
        while (left.Count > 0 && kept.Count < most)
        {
            var best = left[0].Index;
            kept.Add(best);
            left = [.. left.Skip(1).Select(p => (p.Index, Lowered(p.Score, Similarity(people, areas, sigmas, best, p.Index, visibleAbove))))
                .OrderByDescending(p => p.Item2)];
        }

        return kept;

        double Lowered(double score, double similarity) => score * Math.Exp(-(similarity * similarity) / threshold);
    }

    private static double Similarity(
        IReadOnlyList<PredictedPerson> people, IReadOnlyList<double> areas, IReadOnlyList<double> sigmas, int better, int worse, double? visibleAbove) =>
        ObjectKeypointSimilarity.Between(people[better].Joints, areas[better], people[worse].Joints, areas[worse], sigmas, visibleAbove);

    private static void Require(IReadOnlyList<PredictedPerson> people, IReadOnlyList<double> areas)
    {
        ArgumentNullException.ThrowIfNull(people);
        ArgumentNullException.ThrowIfNull(areas);
        if (people.Count != areas.Count) throw new FrostlineException($"there are {people.Count} predictions and {areas.Count} areas");
    }
}
