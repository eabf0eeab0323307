using System.ComponentModel.DataAnnotations;
using Frostline.Checkpoints;
using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>
/// <c>pose-crop</c>: cuts out what is seen of a person, in the network's size: <c>pose-crop: { width: 192, height: 256 }</c>. Black lies outside of the
/// image; several frames are all cut by the same view. The fields <c>center</c> [2] and <c>size</c> [2] (both x then y, in pixels of the image),
/// <c>rotation</c> (degrees), <c>flipped</c> (0 or 1) and <c>person</c> (its index in the data set) say where the cut came from.
/// </summary>
public sealed class PoseCrop : PoseTransform
{
    /// <summary>The width of the network's input in pixels.</summary>
    [RequiredKey]
    [Range(1, 1 << 14)]
    public int Width { get; set; }

    /// <summary>The height of the network's input in pixels.</summary>
    [RequiredKey]
    [Range(1, 1 << 14)]
    public int Height { get; set; }

    /// <summary>By how much the person's box is enlarged, once it has the network's shape. Default: 1.25.</summary>
    [Range(0.1, 10d)]
    public double Padding { get; set; } = 1.25;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        Width is < 1 or > 1 << 14 ? new OptionProblem(nameof(Width), $"{Width} pixels are not possible")
        : Height is < 1 or > 1 << 14 ? new OptionProblem(nameof(Height), $"{Height} pixels are not possible")
        : Padding is not (> 0 and <= 10) ? new OptionProblem(nameof(Padding), "has to be above 0 and at most 10")
        : null;

    /// <inheritdoc/>
    protected override void Change(Sample sample, PoseField pose, CounterRandom random)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(pose);
        pose = pose.WithInput(pose.View.Fit((double)Width / Height, Padding), Width, Height);
        if (!sample.IsPartial) sample.Set("image", Cut(sample, pose.ToInput!.Value));
        var view = pose.View;
        sample.Set("pose", pose);
        sample.Set("center", SampleTensor.Of([(float)view.CenterX, (float)view.CenterY], 2));
        sample.Set("size", SampleTensor.Of([(float)view.Width, (float)view.Height], 2));
        sample.Set("rotation", new SampleTensor(TensorType.Float32, [], new[] { (float)view.Rotation }));
        sample.Set("flipped", SampleTensor.Of(view.IsFlipped ? 1 : 0));
        sample.Set("person", SampleTensor.Of(pose.Person));
    }

    private ISampleField Cut(Sample sample, Affine toInput) => sample.Fields.GetValueOrDefault("image") switch
    {
        ImageField image => PoseWarp.Apply(image, toInput, Width, Height),
        FramesField frames => frames.Select(frame => PoseWarp.Apply(frame, toInput, Width, Height)),
        _ => throw new FrostlineException($"the sample has no image to cut; its fields are {string.Join(", ", sample.Fields.Keys)}"),
    };
}
