using Frostline.Training.Data;

namespace Frostline.Vision.Data;

/// <summary>
/// Several frames of one video that a network takes together, such as a key frame and the frames around it. Transforms of images change all of them
/// alike. Immutable: transforms make new fields.
/// </summary>
public sealed class FramesField : ISampleField
{
    /// <summary>Creates the field.</summary>
    /// <param name="frames">The frames, at least one, the key frame first; kept, not copied.</param>
    /// <exception cref="ArgumentException">There is no frame.</exception>
    public FramesField(IReadOnlyList<ImageField> frames)
    {
        ArgumentNullException.ThrowIfNull(frames);
        if (frames.Count == 0) throw new ArgumentException("there has to be at least one frame", nameof(frames));
        Frames = frames;
    }

    /// <summary>The frames, the key frame first.</summary>
    public IReadOnlyList<ImageField> Frames { get; }

    /// <summary>The frames, each changed.</summary>
    /// <param name="change">Gives the changed frame.</param>
    public FramesField Select(Func<ImageField, ImageField> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return new FramesField([.. Frames.Select(change)]);
    }

    /// <summary>The values as float32 [R, C, H, W], where the R frames are rows that the network takes one by one.</summary>
    /// <exception cref="FrostlineException">The frames differ in size or in their channels.</exception>
    public SampleTensor ToTensor()
    {
        var rows = Frames.Select(frame => frame.ToTensor()).ToList();
        var shape = rows[0].Shape;
        var other = rows.FirstOrDefault(row => !row.Shape.SequenceEqual(shape));
        if (other is not null)
            throw new FrostlineException(
                $"the frames of one sample have the shapes [{string.Join(", ", shape)}] and [{string.Join(", ", other.Shape)}]; let the transforms "
                + "end in one size");
        var values = GC.AllocateUninitializedArray<float>(checked(rows.Count * rows[0].Values.Length));
        for (var i = 0; i < rows.Count; i++) rows[i].Values.CopyTo(values, i * rows[0].Values.Length);
        return SampleTensor.Of(values, [rows.Count, .. shape]) with { IsRows = true };
    }
}
