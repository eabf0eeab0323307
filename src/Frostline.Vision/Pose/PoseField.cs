using Frostline.Training.Data;

namespace Frostline.Vision.Pose;

/// <summary>
/// The person whose pose a sample is about, and what the network sees of the image. A data set begins with the person's box as the view,
/// <see cref="PoseView.Around"/>; <c>pose-augment</c> changes the view, <c>pose-crop</c> gives it the network's shape and cuts it out. Immutable:
/// transforms make new fields.
/// </summary>
public sealed class PoseField : ISampleField
{
    /// <summary>Creates the field of a person before any transform.</summary>
    /// <param name="person">The person's index in the data set.</param>
    /// <param name="joints">All joints of the skeleton in pixels of the image; none of them labelled where there is only a box.</param>
    /// <param name="skeleton">What the joints are.</param>
    /// <param name="box">The person's box in the image.</param>
    /// <param name="view">What is seen of the image, without padding: as a rule the box.</param>
    /// <exception cref="ArgumentException">There are more joints than the skeleton has, or fewer.</exception>
    public PoseField(int person, IReadOnlyList<Joint> joints, Skeleton skeleton, Box box, PoseView view)
    {
        ArgumentNullException.ThrowIfNull(joints);
        ArgumentNullException.ThrowIfNull(skeleton);
        if (joints.Count != skeleton.Joints.Count)
            throw new ArgumentException($"{joints.Count} joints do not make a skeleton of {skeleton.Joints.Count}", nameof(joints));
        (Person, Joints, Skeleton, Box, View) = (person, joints, skeleton, box, view);
    }

    private PoseField(PoseField from, PoseView view)
        : this(from.Person, from.Joints, from.Skeleton, from.Box, view)
    {
    }

    /// <summary>The person's index in the data set.</summary>
    public int Person { get; }

    /// <summary>All joints of the skeleton in pixels of the image, whatever the transforms did.</summary>
    public IReadOnlyList<Joint> Joints { get; }

    /// <summary>What the joints are.</summary>
    public Skeleton Skeleton { get; }

    /// <summary>The person's box in the image.</summary>
    public Box Box { get; }

    /// <summary>What is seen of the image: before <c>pose-crop</c> without padding and in any shape, after it just what the network sees.</summary>
    public PoseView View { get; }

    /// <summary>Maps pixels of the image to those of the network's input; null before <c>pose-crop</c>.</summary>
    public Affine? ToInput { get; private init; }

    /// <summary>The width of the network's input in pixels; 0 before <c>pose-crop</c>.</summary>
    public int InputWidth { get; private init; }

    /// <summary>The height of the network's input in pixels; 0 before <c>pose-crop</c>.</summary>
    public int InputHeight { get; private init; }

    /// <summary>The same person seen otherwise.</summary>
    /// <param name="view">What is seen, without padding.</param>
    /// <exception cref="FrostlineException">The view has been cut out already.</exception>
    public PoseField WithView(PoseView view) =>
        ToInput is null ? new PoseField(this, view) : throw new FrostlineException("the view changes after pose-crop; put what changes it before that");

    /// <summary>The same person, the view cut out.</summary>
    /// <param name="view">What the network sees, in its shape and with padding.</param>
    /// <param name="width">The width of its input in pixels.</param>
    /// <param name="height">The height of its input in pixels.</param>
    /// <exception cref="FrostlineException">The view has no extent, or has been cut out already.</exception>
    public PoseField WithInput(PoseView view, int width, int height)
    {
        if (ToInput is not null) throw new FrostlineException("pose-crop occurs twice; keep one of them");
        return new PoseField(this, view) { ToInput = view.ToInput(width, height), InputWidth = width, InputHeight = height };
    }

    /// <summary>
    /// The joints as the network sees them: in pixels of its input, and in a mirrored view with the places of <see cref="Skeleton.FlipPairs"/>
    /// exchanged. Before <c>pose-crop</c> those of the image. Joints without a label are at (0, 0).
    /// </summary>
    public IReadOnlyList<Joint> SeenJoints()
    {
        var seen = new Joint[Joints.Count];
        for (var i = 0; i < seen.Length; i++)
        {
            if (!Joints[i].IsLabelled) continue;
            var (x, y) = ToInput?.Apply(Joints[i].X, Joints[i].Y) ?? (Joints[i].X, Joints[i].Y);
            seen[i] = new Joint(x, y, Joints[i].Visibility);
        }

        if (ToInput is null || !View.IsFlipped) return seen;
        foreach (var (left, right) in Skeleton.FlipPairs) (seen[left], seen[right]) = (seen[right], seen[left]);
        return seen;
    }

    /// <summary><see cref="SeenJoints"/> as float32 [J, 3]: x, y and visibility (0 not labelled, 1 hidden, 2 visible).</summary>
    public SampleTensor ToTensor()
    {
        var values = new float[3 * Joints.Count];
        var at = 0;
        foreach (var joint in SeenJoints())
        {
            values[at++] = (float)joint.X;
            values[at++] = (float)joint.Y;
            values[at++] = (int)joint.Visibility;
        }

        return SampleTensor.Of(values, Joints.Count, 3);
    }
}
