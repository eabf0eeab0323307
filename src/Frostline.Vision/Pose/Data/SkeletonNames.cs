namespace Frostline.Vision.Pose;

/// <summary>What the names of joints tell: which known skeleton they are, and which of them change places in a mirror.</summary>
internal static class SkeletonNames
{
    /// <summary>
    /// The skeleton of a list of joints. One that is known (<see cref="Skeleton.Coco"/> …) is taken whole, since it has what files don't say; else
    /// the limbs are the file's, and the flip pairs follow from left and right in the names.
    /// </summary>
    /// <param name="joints">The joints' names, in order.</param>
    /// <param name="limbs">The file's limbs, by index.</param>
    public static Skeleton SkeletonOf(IReadOnlyList<string> joints, IReadOnlyList<(int A, int B)> limbs)
    {
        Skeleton[] known = [Skeleton.Coco, Skeleton.PoseTrack18, Skeleton.PoseTrack17, Skeleton.Lsp];
        return known.FirstOrDefault(skeleton => skeleton.Joints.SequenceEqual(joints, StringComparer.Ordinal))
            ?? new Skeleton(joints) { Limbs = limbs, FlipPairs = FlipPairsOf(joints) };
    }

    /// <summary>
    /// The pairs of joints whose names differ in nothing but left and right: <c>left_hip</c>, <c>l_hip</c>, <c>hip-l</c>, <c>LeftHip</c>.
    /// </summary>
    public static IReadOnlyList<(int Left, int Right)> FlipPairsOf(IReadOnlyList<string> joints)
    {
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < joints.Count; i++) places.TryAdd(string.Join(' ', WordsOf(joints[i])), i);
        List<(int, int)> pairs = [];
        for (var i = 0; i < joints.Count; i++)
        {
            var mirrored = WordsOf(joints[i]).Select(word => word switch { "left" => "right", "l" => "r", _ => word });
            if (places.TryGetValue(string.Join(' ', mirrored), out var right) && right != i) pairs.Add((i, right));
        }

        return pairs;
    }

    /// <summary>The words of a name in lower case, parted by signs that are no letters or digits, and before capitals.</summary>
    private static List<string> WordsOf(string name)
    {
        List<string> words = [];
        var start = 0;
        for (var i = 0; i <= name.Length; i++)
        {
            var isSign = i == name.Length || !char.IsLetterOrDigit(name[i]);
            var isCapital = i > start && !isSign && char.IsUpper(name[i]) && char.IsLower(name[i - 1]);
            if (!isSign && !isCapital) continue;
            if (i > start) words.Add(name[start..i].ToLowerInvariant());
            start = isSign ? i + 1 : i;
        }

        return words;
    }
}
