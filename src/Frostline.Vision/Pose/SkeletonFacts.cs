using System.Collections.Frozen;
using System.Text.Json;
using Frostline.Training.Registration;

namespace Frostline.Vision.Pose;

/// <summary>
/// The skeleton of a data set of poses as one of its facts, so that networks know how many joints they have, and model files what their heatmaps show.
/// </summary>
internal static class SkeletonFacts
{
    /// <summary>The fact's name.</summary>
    public const string Key = "skeleton";

    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web);

    /// <summary>The facts of data with a skeleton.</summary>
    public static IReadOnlyDictionary<string, string> Of(Skeleton skeleton)
    {
        var text = new Text(
            skeleton.Joints,
            [.. skeleton.Limbs.Select(limb => new[] { limb.A, limb.B })],
            [.. skeleton.FlipPairs.Select(pair => new[] { pair.Left, pair.Right })],
            skeleton.Sigmas,
            skeleton.UpperBody);
        return new Dictionary<string, string>(StringComparer.Ordinal) { [Key] = JsonSerializer.Serialize(text, s_json) }.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>The skeleton of the training data or the model file; null where neither has one.</summary>
    /// <exception cref="FrostlineException">It cannot be read.</exception>
    public static Skeleton? Find(BuildContext context) => context.Facts.TryGetValue(Key, out var json) ? Read(json) : null;

    private static Skeleton Read(string json)
    {
        try
        {
            if (JsonSerializer.Deserialize<Text>(json, s_json) is not { Joints: { Count: > 0 } joints } text) throw new JsonException("there are no joints");
            return new Skeleton(joints)
            {
                Limbs = Pairs(text.Limbs, joints.Count),
                FlipPairs = Pairs(text.FlipPairs, joints.Count),
                Sigmas = text.Sigmas is { } sigmas && sigmas.Count == joints.Count ? sigmas : null,
                UpperBody = [.. (text.UpperBody ?? []).Where(joint => joint >= 0 && joint < joints.Count)],
            };
        }
        catch (JsonException error)
        {
            throw new FrostlineException($"the skeleton that the data or the model file states cannot be read: {error.Message}", error);
        }
    }

    private static List<(int, int)> Pairs(IReadOnlyList<int[]>? pairs, int joints) =>
    [
        .. (pairs ?? []).Select(pair => pair is [var a, var b] && a >= 0 && b >= 0 && a < joints && b < joints
            ? (a, b)
            : throw new JsonException("a pair of joints is damaged")),
    ];

    private sealed record Text(
        IReadOnlyList<string>? Joints, IReadOnlyList<int[]>? Limbs, IReadOnlyList<int[]>? FlipPairs, IReadOnlyList<double>? Sigmas, IReadOnlyList<int>? UpperBody);
}
