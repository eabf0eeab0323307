namespace Frostline.Vision.Pose;

/// <summary>Which frames of a video go with a key frame. A frame that the video lacks, at its ends, is replaced by the key frame.</summary>
public sealed class SupportFrames
{
    /// <summary>Creates the choice.</summary>
    /// <param name="offsets">The supporting frames, counted from the key frame: -2, -1, 1, 2. Not 0, and none twice.</param>
    /// <exception cref="FrostlineException">An offset is 0, occurs twice, or is further away than 1,000 frames.</exception>
    public SupportFrames(IReadOnlyList<int> offsets)
    {
        ArgumentNullException.ThrowIfNull(offsets);
        if (ProblemOf(offsets) is { } problem) throw new FrostlineException(problem);
        Offsets = [.. offsets];
    }

    /// <summary>The supporting frames, counted from the key frame.</summary>
    public IReadOnlyList<int> Offsets { get; }

    /// <summary>The key frame, then each supporting frame, or the key frame in its place.</summary>
    /// <param name="key">The key frame's number.</param>
    /// <param name="exists">Whether the video has a frame of a number.</param>
    public IReadOnlyList<int> Of(int key, Func<int, bool> exists)
    {
        ArgumentNullException.ThrowIfNull(exists);
        return [key, .. Offsets.Select(offset => exists(key + offset) ? key + offset : key)];
    }

    /// <summary>The key frame and its supporting frames for each frame of a video in turn; only as many frames are held as that takes.</summary>
    /// <param name="frames">The frames in order; enumerated once.</param>
    /// <typeparam name="T">What a frame is.</typeparam>
    /// <returns>For each frame: itself, then each supporting frame, or itself in its place.</returns>
    public IEnumerable<IReadOnlyList<T>> Windows<T>(IEnumerable<T> frames)
    {
        ArgumentNullException.ThrowIfNull(frames);
        return Enumerate(frames);
    }

    /// <summary>What is wrong with offsets; null where all is well.</summary>
    internal static string? ProblemOf(IReadOnlyList<int> offsets)
    {
        const int farthest = 1000;
        if (offsets.Contains(0)) return "0 is the key frame itself; supports are frames before and after it, such as [-2, -1, 1, 2]";
        if (offsets.Distinct().Count() < offsets.Count) return "a supporting frame is listed twice";
        return offsets.Any(offset => Math.Abs((long)offset) > farthest) ? $"a supporting frame is more than {farthest} frames away" : null;
    }

    private IEnumerable<IReadOnlyList<T>> Enumerate<T>(IEnumerable<T> frames)
    {
        var ahead = Math.Max(0, Offsets.Count == 0 ? 0 : Offsets.Max());
        var behind = Math.Max(0, Offsets.Count == 0 ? 0 : -Offsets.Min());
        // Frames from number `first` on; the last `ahead` of them wait until those that they need are there.
        List<T> held = [];
        int first = 0, key = 0;
        foreach (var frame in frames)
        {
            held.Add(frame);
            if (first + held.Count - key <= ahead) continue;
            yield return Window();
            key++;
            if (key - first <= behind) continue;
            held.RemoveAt(0);
            first++;
        }

        for (; key < first + held.Count; key++) yield return Window();

        IReadOnlyList<T> Window() => [.. Of(key, number => number >= first && number < first + held.Count).Select(number => held[number - first])];
    }
}
