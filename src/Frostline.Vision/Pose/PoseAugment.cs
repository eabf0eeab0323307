using System.ComponentModel.DataAnnotations;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Vision.Pose;

/// <summary>
/// <c>pose-augment</c>: changes at random what is seen of a person, as the official code of HRNet does: scale, rotation, mirror, and now and then only
/// the upper or the lower half. Comes before <c>pose-crop</c>, and touches no picture.
/// </summary>
public sealed class PoseAugment : PoseTransform
{
    /// <summary>The view's size is multiplied by 1 + s n, n standard normal, at least 1 - s and at most 1 + s. Default: 0.35.</summary>
    [Range(0d, 0.99)]
    public double Scale { get; set; } = 0.35;

    /// <summary>The view is turned by r n degrees, n standard normal, at most by 2 r either way. Default: 45.</summary>
    [Range(0d, 180d)]
    public double Rotation { get; set; } = 45;

    /// <summary>The probability that it is turned at all. Default: 0.6.</summary>
    [Range(0d, 1d)]
    public double RotationProbability { get; set; } = 0.6;

    /// <summary>The probability that left and right are exchanged. Default: 0.5.</summary>
    [Range(0d, 1d)]
    public double Flip { get; set; } = 0.5;

    /// <summary>The probability that only one half of the person is seen. Default: 0.3.</summary>
    [Range(0d, 1d)]
    public double HalfBody { get; set; } = 0.3;

    /// <summary>More labelled joints than these have to be there for a half of the person to be seen. Default: 8.</summary>
    [Range(0, 1000)]
    public int HalfBodyJoints { get; set; } = 8;

    /// <summary>
    /// The size of a half's view, in sizes of the narrowest box around its joints; <c>pose-crop</c>'s padding comes on top. Default: 1.2, which with a
    /// padding of 1.25 is the official 1.5.
    /// </summary>
    [Range(0.1, 10d)]
    public double HalfBodySize { get; set; } = 1.2;

    /// <inheritdoc/>
    public override bool IsRandom => true;

    /// <inheritdoc/>
    public override OptionProblem? Check()
    {
        (string Name, double Value)[] probabilities =
            [(nameof(RotationProbability), RotationProbability), (nameof(Flip), Flip), (nameof(HalfBody), HalfBody)];
        foreach (var (name, value) in probabilities)
            if (value is not (>= 0 and <= 1)) return new OptionProblem(name, "a probability is between 0 and 1");
        return Scale is not (>= 0 and < 1) ? new OptionProblem(nameof(Scale), "has to be at least 0 and below 1")
            : Rotation is not (>= 0 and <= 180) ? new OptionProblem(nameof(Rotation), "has to be between 0 and 180 degrees")
            : HalfBodyJoints < 0 ? new OptionProblem(nameof(HalfBodyJoints), "a number of joints is at least 0")
            : HalfBodySize is not (> 0 and <= 10) ? new OptionProblem(nameof(HalfBodySize), "has to be above 0 and at most 10")
            : null;
    }

    /// <inheritdoc/>
    protected override void Change(Sample sample, PoseField pose, CounterRandom random)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(pose);
        ArgumentNullException.ThrowIfNull(random);
        // Everything is drawn, used or not, so that one option does not change what another draws.
        bool half = random.NextDouble() < HalfBody, turned = random.NextDouble() < RotationProbability, flipped = random.NextDouble() < Flip;
        double part = random.NextNormal(), size = random.NextNormal(), turn = random.NextNormal();
        var view = pose.View;
        if (half && HalfOf(pose, part) is { } seen) view = seen with { IsFlipped = view.IsFlipped };
        var scale = Math.Clamp(1 + (Scale * size), 1 - Scale, 1 + Scale);
        sample.Set("pose", pose.WithView(view with
        {
            Width = view.Width * scale,
            Height = view.Height * scale,
            Rotation = view.Rotation + (turned ? Math.Clamp(Rotation * turn, -2 * Rotation, 2 * Rotation) : 0),
            IsFlipped = view.IsFlipped ^ flipped,
        }));
    }

    /// <summary>The view of one half of the person; null where too few joints are labelled.</summary>
    /// <param name="pose">The person.</param>
    /// <param name="part">A standard normal number: the upper half below 0.5, which is in 69 of 100 cases, as in the official code.</param>
    private PoseView? HalfOf(PoseField pose, double part)
    {
        var labelled = Enumerable.Range(0, pose.Joints.Count).Where(j => pose.Joints[j].IsLabelled).ToList();
        if (labelled.Count <= HalfBodyJoints) return null;
        var upper = labelled.Where(pose.Skeleton.UpperBody.Contains).ToList();
        var lower = labelled.Except(upper).ToList();
        var chosen = (part < 0.5 && upper.Count > 2) || lower.Count <= 2 ? upper : lower;
        if (chosen.Count < 2) return null;
        var (xs, ys) = (chosen.ConvertAll(j => pose.Joints[j].X), chosen.ConvertAll(j => pose.Joints[j].Y));
        double width = xs.Max() - xs.Min(), height = ys.Max() - ys.Min();
        if (width == 0 && height == 0) return null;
        return new PoseView(xs.Average(), ys.Average(), width * HalfBodySize, height * HalfBodySize);
    }
}
