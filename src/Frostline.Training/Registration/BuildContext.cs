using System.Collections.Frozen;
using Frostline.Training.Data;

namespace Frostline.Training.Registration;

/// <summary>What is known when a recipe's parts are created.</summary>
public sealed class BuildContext
{
    /// <summary>The folder of the recipe, from which relative paths count.</summary>
    public required string Folder { get; init; }

    /// <summary>The seed of the run.</summary>
    public long Seed { get; init; }

    /// <summary>The classes of the training data; null before the data is opened, or where it has none.</summary>
    public ClassMap? Classes { get; init; }

    /// <summary>How many training samples there are of each class; null before the data is opened, or where it has no classes.</summary>
    public IReadOnlyList<long>? ClassCounts { get; init; }

    /// <summary>How many training samples there are; null before the data is opened.</summary>
    public long? SampleCount { get; init; }

    /// <summary>
    /// What the training data says of itself beside classes (<see cref="IDataset.Facts"/>), or the model file where there is one; empty before
    /// either is opened.
    /// </summary>
    public IReadOnlyDictionary<string, string> Facts { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>What is validated or evaluated on, as it was opened; null before that, or without validation.</summary>
    public IDataset? ValidationData { get; init; }

    /// <summary>A path of the recipe as a full path.</summary>
    public string PathOf(string path) => Path.GetFullPath(path, Folder);
}
