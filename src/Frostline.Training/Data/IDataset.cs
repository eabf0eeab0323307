using System.Collections.Frozen;

namespace Frostline.Training.Data;

/// <summary>A set of samples that can be read in any order, from several threads at once.</summary>
public interface IDataset
{
    /// <summary>How many samples there are.</summary>
    int Count { get; }

    /// <summary>What the labels mean; null where the set has no classes.</summary>
    ClassMap? Classes { get; }

    /// <summary>
    /// What is to be known of the samples beside their classes, as texts by name, for example the joints of a pose. Networks and metrics are
    /// created with it (<see cref="Registration.BuildContext.Facts"/>), and model files keep it. Default: nothing.
    /// </summary>
    IReadOnlyDictionary<string, string> Facts => FrozenDictionary<string, string>.Empty;

    /// <summary>
    /// The loss, by its name in the catalogue, that a recipe without one means. Default: null, that of its classes.
    /// </summary>
    string? UsualLoss => null;

    /// <summary>
    /// The metrics, by their names in the catalogue, that a recipe without any means. Default: null, those of its classes.
    /// </summary>
    IReadOnlyList<string>? UsualMetrics => null;

    /// <summary>The data set that this one is a view of, at the end of all views; default: itself.</summary>
    IDataset Origin => this;

    /// <summary>
    /// The class indices of a sample without decoding it: one for single-label sets, any number for multi-label sets. Splits and
    /// balanced sampling need them.
    /// </summary>
    IReadOnlyList<int> LabelsOf(int index);

    /// <summary>Where a sample comes from, for messages.</summary>
    string SourceOf(int index);

    /// <summary>
    /// What is wrong in the data set's files and what was done about it, one line each, such as entries that are left out; a training writes them into
    /// its log. None by default.
    /// </summary>
    IReadOnlyList<string> Problems => [];

    /// <summary>Reads and decodes a sample, before any transform.</summary>
    /// <exception cref="UnreadableSampleException">The sample's file is missing, damaged or of an unknown format.</exception>
    Sample Read(int index);

    /// <summary>
    /// Reads a sample without decoding it, so that it can be told whether its features are stored already. A data set that does not implement
    /// this is trained on as any other, but its features are never stored.
    /// </summary>
    /// <param name="index">The sample.</param>
    /// <returns>Its content; null where the data set cannot tell contents apart, which is the default.</returns>
    /// <exception cref="UnreadableSampleException">The sample's file is missing or cannot be read.</exception>
    SampleContent? Open(int index) => null;
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

    /// <summary>
    /// Whether it also works on a sample without its inputs (<see cref="Sample.IsPartial"/>), and makes of the other fields what it makes of
    /// them beside the inputs. Default: false; labels are then only known once the inputs are decoded.
    /// </summary>
    bool TakesPartialSamples => false;

    /// <summary>Changes the sample. Called on worker threads: it may keep no state.</summary>
    /// <param name="sample">The sample to change.</param>
    /// <param name="random">Draws of (seed, epoch, index); not to be used where <see cref="IsRandom"/> is false.</param>
    void Apply(Sample sample, CounterRandom random);
}

/// <summary>A random transform with a few outcomes, each of which can be asked for: their features can be stored, and none is left out.</summary>
public interface IDiscreteTransform : ITransform
{
    /// <summary>How many outcomes there are, at least one.</summary>
    int Outcomes { get; }

    /// <summary>Draws an outcome, with the same draws and the same choice as <see cref="ITransform.Apply"/>.</summary>
    /// <param name="random">Draws of (seed, epoch, index).</param>
    /// <returns>From 0 to <see cref="Outcomes"/> - 1.</returns>
    int Draw(CounterRandom random);

    /// <summary>Changes the sample in the way of one outcome. Called on worker threads.</summary>
    /// <param name="sample">The sample to change.</param>
    /// <param name="outcome">Which outcome.</param>
    void Apply(Sample sample, int outcome);
}
