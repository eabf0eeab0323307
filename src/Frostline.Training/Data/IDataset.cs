namespace Frostline.Training.Data;

/// <summary>A set of samples that can be read in any order, from several threads at once.</summary>
public interface IDataset
{
    /// <summary>How many samples there are.</summary>
    int Count { get; }

    /// <summary>What the labels mean; null where the set has no classes.</summary>
    ClassMap? Classes { get; }

    /// <summary>
    /// The class indices of a sample without decoding it: one for single-label sets, any number for multi-label sets. Splits and
    /// balanced sampling need them.
    /// </summary>
    IReadOnlyList<int> LabelsOf(int index);

    /// <summary>Where a sample comes from, for messages.</summary>
    string SourceOf(int index);

    /// <summary>Reads and decodes a sample, before any transform.</summary>
    /// <exception cref="UnreadableSampleException">The sample's file is missing, damaged or of an unknown format.</exception>
    Sample Read(int index);
}

/// <summary>The classes of a data set, in the order of the network's outputs.</summary>
/// <param name="Names">The names by class index.</param>
/// <param name="MultiLabel">
/// Whether a sample may have any number of classes, so that the label is a float32 vector [K] of 0 and 1.
/// </param>
public sealed record ClassMap(IReadOnlyList<string> Names, bool MultiLabel = false);

/// <summary>A sample that cannot be read. A recipe decides whether it ends the run or is skipped and reported.</summary>
public sealed class UnreadableSampleException : FrostlineException
{
    /// <summary>Creates the error.</summary>
    /// <param name="source">The sample's file.</param>
    /// <param name="reason">What is wrong with it.</param>
    /// <param name="inner">The decoder's error, or null.</param>
    public UnreadableSampleException(string source, string reason, Exception? inner = null)
        : base($"{source}: {reason}", inner) => SampleSource = source;

    /// <summary>The sample's file.</summary>
    public string SampleSource { get; }
}

/// <summary>A change of a sample, part of the list <c>transform</c> or <c>train-transform</c> of a recipe.</summary>
public interface ITransform
{
    /// <summary>Whether the result depends on the random generator.</summary>
    bool IsRandom { get; }

    /// <summary>Changes the sample. Called on worker threads: it may keep no state.</summary>
    /// <param name="sample">The sample to change.</param>
    /// <param name="random">Draws of (seed, epoch, index); not to be used where <see cref="IsRandom"/> is false.</param>
    void Apply(Sample sample, CounterRandom random);
}
