using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Pose;

namespace Frostline.Vision.Data;

/// <summary>
/// A change of the field <c>image</c>, one picture or several frames (<see cref="FramesField"/>), which it all changes alike. Its properties are its
/// options in a recipe; set them when creating it.
/// </summary>
public abstract class ImageTransform : ITransform, ICheckedOptions
{
    private volatile bool _checked;

    /// <inheritdoc/>
    public virtual bool IsRandom => false;

    /// <summary>Whether a point of the picture is elsewhere afterwards, so that joints would no longer lie where they are said to.</summary>
    private protected virtual bool MovesPixels => false;

    /// <summary>True: nothing but the image changes.</summary>
    public bool TakesPartialSamples => true;

    /// <inheritdoc/>
    public virtual OptionProblem? Check() => null;

    /// <inheritdoc/>
    /// <exception cref="FrostlineException">
    /// The sample has no image, the options contradict each other, or the image does not fit them.
    /// </exception>
    public void Apply(Sample sample, CounterRandom random)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(random);
        if (this is IDiscreteTransform discrete)
        {
            discrete.Apply(sample, discrete.Draw(random));
        }
        else if (IsRandom && (HasPose(sample) || sample.Fields.GetValueOrDefault("image") is FramesField))
        {
            // One draw, whether or not there are pictures: the person's view is drawn from what follows. And all frames change alike.
            var seed = unchecked((long)random.NextUInt64());
            Replace(sample, image => Change(image, new CounterRandom(seed, "image")));
        }
        else
        {
            Replace(sample, image => Change(image, random));
        }
    }

    /// <summary>Replaces the image of a sample, or each of its frames; one without its inputs stays as it is.</summary>
    private protected void Replace(Sample sample, Func<ImageField, ImageField> change)
    {
        ArgumentNullException.ThrowIfNull(sample);
        if (MovesPixels && HasPose(sample))
            throw new FrostlineException(
                $"{sample.Source}: {GetType().Name} would move the picture and not the person's joints; use pose-augment and pose-crop instead");
        if (sample.IsPartial) return;
        RequireOptions();
        try
        {
            sample.Set("image", sample.Fields.GetValueOrDefault("image") switch
            {
                ImageField image => change(image),
                FramesField frames => frames.Select(change),
                _ => throw new FrostlineException(
                    $"the sample has no image to transform; its fields are {string.Join(", ", sample.Fields.Keys)}"),
            });
        }
        catch (FrostlineException error)
        {
            throw new FrostlineException($"{sample.Source}: {error.Message}", error);
        }
    }

    /// <summary>Changes an image.</summary>
    /// <param name="image">The image.</param>
    /// <param name="random">What random transforms draw from.</param>
    /// <exception cref="FrostlineException">The options contradict each other, or the image does not fit them.</exception>
    public ImageField Apply(ImageField image, CounterRandom random)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(random);
        RequireOptions();
        return Change(image, random);
    }

    /// <summary>Changes an image; the options have been checked.</summary>
    /// <exception cref="FrostlineException">The image does not fit the options.</exception>
    protected abstract ImageField Change(ImageField image, CounterRandom random);

    /// <summary>Whether a range has two finite numbers in order, the first at least (or above) a bound.</summary>
    private protected static bool IsRange(IReadOnlyList<double> range, double least, double most = double.MaxValue) =>
        range.Count == 2 && range[0] >= least && range[0] <= range[1] && range[1] <= most;

    private static bool HasPose(Sample sample) => sample.Fields.Values.Any(field => field is PoseField);

    private void RequireOptions()
    {
        if (_checked) return;
        if (Check() is { } problem) throw new FrostlineException($"{GetType().Name}.{problem.Property}: {problem.Message}");
        _checked = true;
    }
}
