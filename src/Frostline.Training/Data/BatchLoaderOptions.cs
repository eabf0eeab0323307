namespace Frostline.Training.Data;

/// <summary>In which order, and how often, an epoch visits the samples.</summary>
public enum SamplingMode
{
    /// <summary>Every sample once, in an order drawn from (seed, epoch).</summary>
    Shuffled,

    /// <summary>
    /// As many draws as there are samples, with replacement, from (seed, epoch): a class, all equally likely, then one of its
    /// samples. Samples without a label count as one class more.
    /// </summary>
    Balanced,

    /// <summary>Every sample once, by index; validation and prediction always do so.</summary>
    Sequential,
}

/// <summary>What happens to a sample that cannot be read.</summary>
public enum UnreadablePolicy
{
    /// <summary>The epoch ends with the <see cref="UnreadableSampleException"/>, which names the file.</summary>
    Fail,

    /// <summary>The sample is left out of its batch, which becomes smaller, and is reported.</summary>
    Skip,
}

/// <summary>How a <see cref="BatchLoader"/> reads.</summary>
public sealed record BatchLoaderOptions
{
    /// <summary>Samples in a batch; default 32. The last batch of an epoch may be smaller, see <see cref="DropLast"/>.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>The seed of order and augmentation; default 0.</summary>
    public long Seed { get; init; }

    /// <summary>The order of samples; default <see cref="SamplingMode.Shuffled"/>.</summary>
    public SamplingMode Sampling { get; init; } = SamplingMode.Shuffled;

    /// <summary>Whether a last batch that is not full is left out; default false.</summary>
    public bool DropLast { get; init; }

    /// <summary>Threads that read, decode and transform; default 2. What is delivered does not depend on it.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>
    /// How many batches may be in work or wait, beside the one that the consumer holds; default 2. Bounds the memory.
    /// </summary>
    public int BatchesAhead { get; init; } = 2;

    /// <summary>What happens to samples that cannot be read; default <see cref="UnreadablePolicy.Fail"/>.</summary>
    public UnreadablePolicy Unreadable { get; init; } = UnreadablePolicy.Fail;

    /// <summary>Changes of each sample, in order; default none.</summary>
    public IReadOnlyList<ITransform> Transforms { get; init; } = [];
}
