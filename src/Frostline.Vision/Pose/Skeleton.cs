namespace Frostline.Vision.Pose;

/// <summary>Which joints a kind of person has, and what belongs to what.</summary>
/// <param name="Joints">The joints' names, as the data set writes them; the order is that of heatmaps and annotations.</param>
public sealed record Skeleton(IReadOnlyList<string> Joints)
{
    // COCO's constants of falloff (cocodataset.org, keypoint evaluation), in the order of its joints.
    private static readonly double[] CocoSigmas =
        [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089];

    /// <summary>COCO's 17 joints.</summary>
    public static Skeleton Coco { get; } = new(
    [
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ])
    {
        Limbs =
        [
            (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2),
            (1, 3), (2, 4), (3, 5), (4, 6),
        ],
        FlipPairs = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)],
        Sigmas = CocoSigmas,
        UpperBody = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    };

    /// <summary>
    /// PoseTrack 2018: COCO's 17 places, with the lower and the upper end of the head in those of the eyes. The ears are never labelled. The ends of
    /// the head are no pair and take the eyes' sigmas.
    /// </summary>
    public static Skeleton PoseTrack18 { get; } = new(
    [
        "nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ])
    {
        Limbs =
        [
            (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10), (0, 1), (0, 2), (1, 5), (1, 6),
        ],
        FlipPairs = [(3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)],
        Sigmas = CocoSigmas,
        UpperBody = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    };

    /// <summary>PoseTrack 2017's 15 joints, by the names of 2018; each has the sigma that it has there.</summary>
    public static Skeleton PoseTrack17 { get; } = new(
    [
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist", "right_elbow", "right_shoulder",
        "left_shoulder", "left_elbow", "left_wrist", "head_bottom", "nose", "head_top",
    ])
    {
        Limbs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9), (9, 10), (10, 11), (2, 8), (3, 9), (8, 12), (9, 12), (12, 13), (13, 14)],
        FlipPairs = [(5, 0), (4, 1), (3, 2), (11, 6), (10, 7), (9, 8)],
        Sigmas = [0.089, 0.087, 0.107, 0.107, 0.087, 0.089, 0.062, 0.072, 0.079, 0.079, 0.072, 0.062, 0.025, 0.026, 0.025],
        UpperBody = [6, 7, 8, 9, 10, 11, 12, 13, 14],
    };

    /// <summary>The 14 joints of Leeds Sports Pose and its extension; nobody has published sigmas for them.</summary>
    public static Skeleton Lsp { get; } = new(
    [
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist", "right_elbow", "right_shoulder",
        "left_shoulder", "left_elbow", "left_wrist", "neck", "head_top",
    ])
    {
        Limbs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9), (9, 10), (10, 11), (8, 12), (9, 12), (12, 13)],
        FlipPairs = [(5, 0), (4, 1), (3, 2), (11, 6), (10, 7), (9, 8)],
        UpperBody = [6, 7, 8, 9, 10, 11, 12, 13],
    };

    /// <summary>Which joints a drawing connects, by index. Default: none.</summary>
    public IReadOnlyList<(int A, int B)> Limbs { get; init; } = [];

    /// <summary>Which joints change places in a mirror, by index. Default: none.</summary>
    public IReadOnlyList<(int Left, int Right)> FlipPairs { get; init; } = [];

    /// <summary>
    /// How far off annotators are, per joint, as a part of the square root of a person's area: the constants of object keypoint similarity (OKS).
    /// Null where none are known, which is the default.
    /// </summary>
    public IReadOnlyList<double>? Sigmas { get; init; }

    /// <summary>The joints above the hips, by index; half-body augmentation keeps either these or the others. Default: none.</summary>
    public IReadOnlyList<int> UpperBody { get; init; } = [];

    /// <summary>The index of a joint.</summary>
    /// <param name="joint">Its name.</param>
    /// <exception cref="FrostlineException">There is no such joint; the message names those most like it.</exception>
    public int IndexOf(string joint)
    {
        ArgumentNullException.ThrowIfNull(joint);
        for (var i = 0; i < Joints.Count; i++)
            if (string.Equals(Joints[i], joint, StringComparison.Ordinal)) return i;
        throw new FrostlineException($"the skeleton has no joint \"{joint}\"{NearestNames.Hint(joint, Joints)}");
    }
}
