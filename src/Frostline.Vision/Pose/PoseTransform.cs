using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Vision.Pose;

/// <summary>A change of a sample with a field <c>pose</c>. Its properties are its options in a recipe; set them when creating it.</summary>
public abstract class PoseTransform : ITransform, ICheckedOptions
{
    private volatile bool _checked;

    /// <inheritdoc/>
    public virtual bool IsRandom => false;

    /// <summary>True: without an image, all other fields become what they are beside one.</summary>
    public bool TakesPartialSamples => true;

    /// <inheritdoc/>
    public virtual OptionProblem? Check() => null;

    /// <inheritdoc/>
    /// <exception cref="FrostlineException">The sample has no pose, the options contradict each other, or the pose does not fit them.</exception>
    public void Apply(Sample sample, CounterRandom random)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(random);
        if (!_checked && Check() is { } problem) throw new FrostlineException($"{GetType().Name}.{problem.Property}: {problem.Message}");
        _checked = true;
        try
        {
            if (sample.Fields.GetValueOrDefault("pose") is not PoseField pose)
                throw new FrostlineException($"the sample has no pose; its fields are {string.Join(", ", sample.Fields.Keys)}");
            Change(sample, pose, random);
        }
        catch (FrostlineException error)
        {
            throw new FrostlineException($"{sample.Source}: {error.Message}", error);
        }
    }

    /// <summary>Changes the sample; the options have been checked.</summary>
    /// <param name="sample">The sample.</param>
    /// <param name="pose">Its field <c>pose</c>.</param>
    /// <param name="random">What random transforms draw from.</param>
    /// <exception cref="FrostlineException">The pose does not fit the options.</exception>
    protected abstract void Change(Sample sample, PoseField pose, CounterRandom random);
}
