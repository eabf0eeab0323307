using System.ComponentModel.DataAnnotations;
using Frostline.Training.Registration;

namespace Frostline.Vision.Pose;

/// <summary>A skeleton that recipes can name.</summary>
public enum KnownSkeleton
{
    /// <summary><see cref="Skeleton.Coco"/>.</summary>
    Coco,

    /// <summary><see cref="Skeleton.PoseTrack18"/>.</summary>
    Posetrack18,

    /// <summary><see cref="Skeleton.PoseTrack17"/>.</summary>
    Posetrack17,

    /// <summary><see cref="Skeleton.Lsp"/>.</summary>
    Lsp,
}

/// <summary>What the options of all data sets of pose share: which joints there are, and how many people.</summary>
public abstract class SkeletonOptions : ICheckedOptions
{
    /// <summary>
    /// A known skeleton, with its flip pairs, OKS sigmas and upper body, for files that name no joints or name them otherwise; in the order of the file.
    /// Default: the joints that the file names, which are recognised where they are those of a known skeleton.
    /// </summary>
    public KnownSkeleton? Skeleton { get; set; }

    /// <summary>The joints' names in the order of the file, in place of <c>skeleton</c>. Default: those that the file names.</summary>
    public IReadOnlyList<string>? Joints { get; set; }

    /// <summary>
    /// The pairs of joints that change places in a mirror, by name: <c>[[left_hip, right_hip], …]</c>. Default: the known skeleton's, else those whose
    /// names differ in left and right alone.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<string>>? FlipPairs { get; set; }

    /// <summary>The joints above the hips, by name, for half-body augmentation. Default: the known skeleton's, else none.</summary>
    public IReadOnlyList<string>? UpperBody { get; set; }

    /// <summary>One OKS sigma a joint, such as 0.026 for COCO's nose. Default: the known skeleton's, else none, and then there is no AP.</summary>
    public IReadOnlyList<double>? Sigmas { get; set; }

    /// <summary>At most that many people, drawn by the seed. Default: all.</summary>
    [Range(1, int.MaxValue)]
    public int? Samples { get; set; }

    /// <summary>The seed of what is drawn. Default: the run's.</summary>
    public long? Seed { get; set; }

    /// <inheritdoc/>
    public virtual OptionProblem? Check()
    {
        if (Skeleton is not null && Joints is not null)
            return new OptionProblem(nameof(Joints), "give either a known skeleton or the names of the joints");
        if (FlipPairs?.Any(pair => pair.Count != 2) == true)
            return new OptionProblem(nameof(FlipPairs), "a pair has two joints: [left_hip, right_hip]");
        if (Sigmas?.Any(sigma => !(sigma > 0) || !double.IsFinite(sigma)) == true)
            return new OptionProblem(nameof(Sigmas), "a sigma is above 0");
        return null;
    }

    /// <summary>The skeleton that the options name; null for the file's.</summary>
    internal Skeleton? Given() => Skeleton switch
    {
        KnownSkeleton.Coco => Pose.Skeleton.Coco,
        KnownSkeleton.Posetrack18 => Pose.Skeleton.PoseTrack18,
        KnownSkeleton.Posetrack17 => Pose.Skeleton.PoseTrack17,
        KnownSkeleton.Lsp => Pose.Skeleton.Lsp,
        _ => Joints is null ? null : SkeletonNames.SkeletonOf(Joints, []),
    };

    /// <summary>Gives the skeleton of what was read the pairs, sigmas and upper body that the options name.</summary>
    /// <exception cref="FrostlineException">A joint does not exist, or there are not as many sigmas as joints.</exception>
    internal PoseAnnotations Complete(PoseAnnotations read)
    {
        var skeleton = read.Skeleton;
        if (FlipPairs is { } pairs)
            skeleton = skeleton with { FlipPairs = [.. pairs.Select(pair => (skeleton.IndexOf(pair[0]), skeleton.IndexOf(pair[1])))] };
        if (UpperBody is { } upper) skeleton = skeleton with { UpperBody = [.. upper.Select(skeleton.IndexOf)] };
        if (Sigmas is { } sigmas)
        {
            if (sigmas.Count != skeleton.Joints.Count)
                throw new FrostlineException($"there are {sigmas.Count} sigmas for {skeleton.Joints.Count} joints; give one for each");
            skeleton = skeleton with { Sigmas = sigmas };
        }

        return read with { Skeleton = skeleton };
    }

    /// <summary>As many people as the options want, drawn by the seed, in their order.</summary>
    internal IReadOnlyList<PosePerson> Draw(IReadOnlyList<PosePerson> people, BuildContext context)
    {
        if (Samples is not { } most || people.Count <= most) return people;
        int[] order = [.. Enumerable.Range(0, people.Count)];
        new CounterRandom(Seed ?? context.Seed, "people").Shuffle<int>(order);
        return [.. order.Take(most).Order().Select(index => people[index])];
    }
}
