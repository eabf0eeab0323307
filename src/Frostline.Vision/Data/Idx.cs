using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Vision.Data;

/// <summary>Options of the data set <c>idx</c>.</summary>
public sealed class IdxOptions
{
    /// <summary>The images: <c>train-images-idx3-ubyte</c>, as it is or gzipped.</summary>
    [RequiredKey]
    public string Images { get; set; } = "";

    /// <summary>The labels: <c>train-labels-idx1-ubyte</c>, as it is or gzipped.</summary>
    [RequiredKey]
    public string Labels { get; set; } = "";

    /// <summary>
    /// The labels that count, in the order of the network's outputs: the first becomes class 0. Default: all that occur,
    /// ascending.
    /// </summary>
    public IReadOnlyList<int>? Classes { get; set; }

    /// <summary>What the labels 0, 1, 2 … of the file are called. Default: the numbers.</summary>
    public IReadOnlyList<string>? Names { get; set; }

    /// <summary>At most that many images of each class, drawn by the seed. Default: all.</summary>
    [Range(1, int.MaxValue)]
    public int? SamplesPerClass { get; set; }

    /// <summary>The seed of <c>samples-per-class</c>. Default: the run's.</summary>
    public long? Seed { get; set; }
}

/// <summary>
/// Grey images and labels in the IDX format (LeCun and Cortes), as MNIST and Fashion-MNIST come. Images have one channel, see the
/// transform <c>channels</c>. The images are held in memory.
/// </summary>
public static class Idx
{
    /// <summary>Reads the files.</summary>
    /// <param name="options">Which files, and what of them.</param>
    /// <param name="context">
    /// From where relative paths count, the seed, and the classes of the training data where these are known.
    /// </param>
    /// <exception cref="FrostlineException">
    /// A file is missing or damaged, the two do not belong together, or a class does not occur.
    /// </exception>
    public static IDataset Open(IdxOptions options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        var images = IdxReader.Read(context.PathOf(options.Images), dimensions: 3);
        var labels = IdxReader.Read(context.PathOf(options.Labels), dimensions: 1);
        if (images.Shape[0] != labels.Shape[0])
            throw new FrostlineException(
                $"{options.Images} has {images.Shape[0]} images, but {options.Labels} has {labels.Shape[0]} labels; they do "
                + "not belong together");
        int height = images.Shape[1], width = images.Shape[2];
        if (height == 0 || width == 0) throw new FrostlineException($"{options.Images}: images of {height} x {width} pixels");

        var kept = options.Classes ?? [.. labels.Values.Distinct().Order().Select(label => (int)label)];
        var occurring = labels.Values.Distinct().ToHashSet();
        foreach (var label in kept)
            if (label is < 0 or > 255 || !occurring.Contains((byte)label))
                throw new FrostlineException(
                    $"{options.Labels} has no label {label}; it has {string.Join(", ", occurring.Order())}");
        string[] names = [.. kept.Select(label => NameOf(label, options))];
        Labelling.RequireDistinct(names);
        var classes = Labelling.Agree(names, multiLabel: false, context.Classes, options.Labels);
        var indexOf = Labelling.IndexOf(classes);
        var classOfLabel = new int[256];
        Array.Fill(classOfLabel, -1);
        for (var k = 0; k < names.Length; k++) classOfLabel[kept[k]] = indexOf[names[k]];

        var name = System.IO.Path.GetFileName(options.Images);
        List<PictureInMemory> pictures = [];
        for (var i = 0; i < labels.Values.Length; i++)
        {
            var index = classOfLabel[labels.Values[i]];
            if (index >= 0) pictures.Add(new PictureInMemory(images.Values, i * height * width, index, $"{name}#{i}"));
        }

        IDataset all = new PicturesInMemory(pictures, classes, height, width, 1, planar: false);
        return options.SamplesPerClass is { } most ? DatasetSplit.PerClass(all, most, options.Seed ?? context.Seed) : all;
    }

    private static string NameOf(int label, IdxOptions options)
    {
        if (options.Names is not { } names) return label.ToString(CultureInfo.InvariantCulture);
        if (label < names.Count) return names[label];
        throw new FrostlineException($"{options.Labels} has the label {label}, but names ends at {names.Count - 1}");
    }
}
