using Frostline.Training.Data;

namespace Frostline.Vision.Data;

/// <summary>One image file and its classes.</summary>
/// <param name="Path">The file.</param>
/// <param name="Labels">Class indices: exactly one in a single-label set, none in a set without classes.</param>
public sealed record ImageEntry(string Path, IReadOnlyList<int> Labels);

/// <summary>
/// Image files, each decoded when it is read. A sample has the field <c>image</c>, an <see cref="ImageField"/>, and, where there
/// are classes, <c>label</c>: an int64 class index, or for multi-label sets a float32 vector [K] of 0 and 1.
/// </summary>
public sealed class ImageDataset : IDataset
{
    private readonly IReadOnlyList<ImageEntry> _entries;

    /// <summary>Creates a data set of files that need not exist before they are read.</summary>
    /// <param name="entries">The files.</param>
    /// <param name="classes">The classes, or null for files without labels (prediction).</param>
    /// <exception cref="ArgumentException">Labels do not fit the classes.</exception>
    public ImageDataset(IReadOnlyList<ImageEntry> entries, ClassMap? classes)
    {
        ArgumentNullException.ThrowIfNull(entries);
        foreach (var entry in entries)
        {
            var fits = classes is null
                ? entry.Labels.Count == 0
                : entry.Labels.All(l => l >= 0 && l < classes.Names.Count) && (classes.MultiLabel || entry.Labels.Count == 1);
            if (!fits) throw new ArgumentException($"the labels of {entry.Path} do not fit the classes", nameof(entries));
        }

        (_entries, Classes) = (entries, classes);
    }

    /// <summary>A data set of files without labels, for prediction.</summary>
    /// <param name="paths">The files.</param>
    public static ImageDataset Unlabelled(IEnumerable<string> paths) =>
        new([.. paths.Select(path => new ImageEntry(path, []))], null);

    /// <inheritdoc/>
    public int Count => _entries.Count;

    /// <inheritdoc/>
    public ClassMap? Classes { get; }

    /// <inheritdoc/>
    public IReadOnlyList<int> LabelsOf(int index) => _entries[index].Labels;

    /// <inheritdoc/>
    public string SourceOf(int index) => _entries[index].Path;

    /// <inheritdoc/>
    public Sample Read(int index)
    {
        var entry = _entries[index];
        return Labelling.SampleOf(entry.Path, ImageFile.Decode(entry.Path), entry.Labels, Classes);
    }

    /// <inheritdoc/>
    public SampleContent? Open(int index)
    {
        var entry = _entries[index];
        var bytes = ImageFile.ReadAll(entry.Path);
        return new SampleContent(
            [ImageFile.HashOf(bytes)],
            () => Labelling.SampleOf(entry.Path, ImageFile.Decode(bytes, entry.Path), entry.Labels, Classes),
            () => Labelling.SampleOf(entry.Path, null, entry.Labels, Classes));
    }
}

/// <summary>What the data sets share about classes.</summary>
internal static class Labelling
{
    /// <summary>A sample with its image and its label; without image a partial one.</summary>
    public static Sample SampleOf(string source, ImageField? image, IReadOnlyList<int> labels, ClassMap? classes)
    {
        var sample = new Sample { Source = source, IsPartial = image is null };
        if (image is not null) sample.Set("image", image);
        if (classes is null) return sample;
        if (classes.MultiLabel)
        {
            var marks = new float[classes.Names.Count];
            foreach (var label in labels) marks[label] = 1;
            sample.Set("label", SampleTensor.Of(marks, marks.Length));
        }
        else
        {
            sample.Set("label", SampleTensor.Of(labels[0]));
        }

        return sample;
    }

    /// <summary>
    /// The classes that labels are indices of: a data set's own, or those of the training data where these are known, so that an
    /// index means the same in both.
    /// </summary>
    /// <exception cref="FrostlineException">A class does not exist in the training data.</exception>
    public static ClassMap Agree(IReadOnlyList<string> own, bool multiLabel, ClassMap? training, string where)
    {
        if (training is null) return new ClassMap(own, multiLabel);
        if (training.MultiLabel != multiLabel)
            throw new FrostlineException(
                $"{where}: a sample has {(multiLabel ? "any number of labels" : "one label")}, in the training data it is "
                + "otherwise");
        foreach (var name in own)
            if (!training.Names.Contains(name, StringComparer.Ordinal))
                throw new FrostlineException(
                    $"{where}: the class \"{name}\" does not exist in the training "
                    + $"data{NearestNames.Hint(name, training.Names)}");
        return training;
    }

    /// <summary>The index of each class name.</summary>
    public static Dictionary<string, int> IndexOf(ClassMap classes) =>
        classes.Names.Select((name, index) => (name, index)).ToDictionary(p => p.name, p => p.index, StringComparer.Ordinal);

    /// <summary>Refuses a list of classes that names one twice.</summary>
    public static void RequireDistinct(IReadOnlyList<string> names)
    {
        var twice = names.GroupBy(n => n, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1);
        if (twice is not null) throw new FrostlineException($"the class \"{twice.Key}\" is listed twice");
    }
}
