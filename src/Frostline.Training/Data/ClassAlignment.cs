using Frostline.Checkpoints;

namespace Frostline.Training.Data;

/// <summary>
/// A data set whose classes are given other numbers, by name: validation data numbered as the training data, or any data
/// numbered as a model file says. Folders that happen to lack a class would otherwise shift all that follow.
/// </summary>
public sealed class ClassAlignment : IDataset
{
    private readonly IDataset _inner;
    private readonly int[] _map;
    private readonly string _labelField;

    private ClassAlignment(IDataset inner, ClassMap classes, int[] map, string labelField) =>
        (_inner, Classes, _map, _labelField) = (inner, classes, map, labelField);

    /// <inheritdoc/>
    public int Count => _inner.Count;

    /// <inheritdoc/>
    public ClassMap Classes { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Facts => _inner.Facts;

    /// <inheritdoc/>
    public string? UsualLoss => _inner.UsualLoss;

    /// <inheritdoc/>
    public IReadOnlyList<string>? UsualMetrics => _inner.UsualMetrics;

    /// <inheritdoc/>
    public IDataset Origin => _inner.Origin;

    /// <summary>Numbers the classes of a data set as another map does.</summary>
    /// <param name="dataset">The data set.</param>
    /// <param name="classes">The classes wanted; null leaves the data set as it is.</param>
    /// <param name="labelField">The field with the label; default <c>label</c>.</param>
    /// <returns>The data set itself where nothing has to change.</returns>
    /// <exception cref="FrostlineException">
    /// The data set has a class that the map lacks, or the one has many labels a sample and the other has not.
    /// </exception>
    public static IDataset Of(IDataset dataset, ClassMap? classes, string labelField = "label")
    {
        ArgumentNullException.ThrowIfNull(dataset);
        if (classes is null || dataset.Classes is not { } own) return dataset;
        if (own.MultiLabel != classes.MultiLabel)
            throw new FrostlineException(
                $"the data has {Labels(own)} and the network was made for {Labels(classes)}; give data of the same kind");
        if (own.Names.SequenceEqual(classes.Names, StringComparer.Ordinal)) return dataset;
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < classes.Names.Count; i++) numbers.TryAdd(classes.Names[i], i);
        var map = own.Names
            .Select(name => numbers.TryGetValue(name, out var number) ? number : throw Unknown(name, classes))
            .ToArray();
        return new ClassAlignment(dataset, classes, map, labelField);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Problems => _inner.Problems;

    /// <inheritdoc/>
    public IReadOnlyList<int> LabelsOf(int index) => [.. _inner.LabelsOf(index).Select(label => _map[label])];

    /// <inheritdoc/>
    public string SourceOf(int index) => _inner.SourceOf(index);

    /// <inheritdoc/>
    public Sample Read(int index) => Renumber(_inner.Read(index));

    /// <inheritdoc/>
    public SampleContent? Open(int index) => _inner.Open(index)?.Select(Renumber);

    private Sample Renumber(Sample sample)
    {
        if (sample.Fields.TryGetValue(_labelField, out var field)) sample.Set(_labelField, Renumber(field.ToTensor()));
        return sample;
    }

    private SampleTensor Renumber(SampleTensor label)
    {
        if (label.Values is long[] indices) return label with { Values = indices.Select(i => i < 0 ? i : _map[i]).ToArray() };
        if (label.Type != TensorType.Float32 || label.Values is not float[] flags || flags.Length != _map.Length) return label;
        var renumbered = new float[Classes.Names.Count];
        for (var i = 0; i < flags.Length; i++) renumbered[_map[i]] = flags[i];
        return SampleTensor.Of(renumbered, renumbered.Length);
    }

    private static string Labels(ClassMap classes) => classes.MultiLabel ? "any number of labels a sample" : "one label a sample";

    private static FrostlineException Unknown(string name, ClassMap classes) => new(
        $"the data has the class \"{name}\", which the network does not know (it knows "
            + $"{string.Join(", ", classes.Names)}){NearestNames.Hint(name, classes.Names)}");
}
