using System.ComponentModel.DataAnnotations;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Vision.Data;

/// <summary>Which part of a data set that comes in two.</summary>
public enum DatasetPart
{
    /// <summary>What is trained on.</summary>
    Train,

    /// <summary>What is tested on.</summary>
    Test,
}

/// <summary>Options of the data set <c>cifar10-binary</c>.</summary>
public sealed class Cifar10Options
{
    /// <summary>The folder <c>cifar-10-batches-bin</c>, or a single <c>.bin</c> file.</summary>
    [Shorthand, RequiredKey]
    public string Path { get; set; } = "";

    /// <summary>
    /// Which files of the folder: <c>train</c> is data_batch_*.bin, <c>test</c> is test_batch.bin. Default: train.
    /// </summary>
    public DatasetPart Part { get; set; } = DatasetPart.Train;

    /// <summary>At most that many images of each class, drawn by the seed. Default: all.</summary>
    [Range(1, int.MaxValue)]
    public int? SamplesPerClass { get; set; }

    /// <summary>The seed of <c>samples-per-class</c>. Default: the run's.</summary>
    public long? Seed { get; set; }
}

/// <summary>
/// CIFAR-10's binary version (Krizhevsky, 2009): records of a label byte and 3,072 bytes, red, green and blue planes of 32 x 32.
/// The files are held in memory, 30 MB each.
/// </summary>
public static class Cifar10
{
    private const int Side = 32, Plane = Side * Side, Record = 1 + (3 * Plane);

    /// <summary>The classes, by label.</summary>
    public static IReadOnlyList<string> ClassNames { get; } =
        ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

    /// <summary>Reads the files.</summary>
    /// <param name="options">Which files, and what of them.</param>
    /// <param name="context">
    /// From where relative paths count, the seed, and the classes of the training data where these are known.
    /// </param>
    /// <exception cref="FrostlineException">
    /// A file is missing, is not a whole number of records, or has a label above 9.
    /// </exception>
    public static IDataset Open(Cifar10Options options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        var path = context.PathOf(options.Path);
        string[] files = File.Exists(path) ? [path] : FilesOf(path, options);
        var classes = Labelling.Agree(ClassNames, multiLabel: false, context.Classes, options.Path);
        var indexOf = Labelling.IndexOf(classes);
        List<PictureInMemory> pictures = [];
        foreach (var file in files)
        {
            var content = PictureFiles.ReadAll(file);
            var name = System.IO.Path.GetFileName(file);
            if (content.Length == 0 || content.Length % Record != 0)
                throw new FrostlineException(
                    $"{file}: {content.Length} bytes are not a whole number of CIFAR-10 records of {Record}; it is another "
                    + "format or cut short");
            for (var i = 0; i < content.Length / Record; i++)
            {
                var label = content[i * Record];
                if (label >= ClassNames.Count)
                    throw new FrostlineException(
                        $"{file}: record {i} has the label {label}, CIFAR-10 has 0 to 9; it is another format or damaged");
                pictures.Add(new PictureInMemory(content, (i * Record) + 1, indexOf[ClassNames[label]], $"{name}#{i}"));
            }
        }

        IDataset all = new PicturesInMemory(pictures, classes, Side, Side, 3, planar: true);
        return options.SamplesPerClass is { } most ? DatasetSplit.PerClass(all, most, options.Seed ?? context.Seed) : all;
    }

    private static string[] FilesOf(string folder, Cifar10Options options)
    {
        if (!Directory.Exists(folder)) throw new FrostlineException($"{options.Path} does not exist (looked for {folder})");
        var pattern = options.Part == DatasetPart.Train ? "data_batch_*.bin" : "test_batch.bin";
        string[] files = [.. Directory.EnumerateFiles(folder, pattern).Order(StringComparer.Ordinal)];
        return files.Length > 0
            ? files
            : throw new FrostlineException($"{options.Path} has no {pattern}; give the folder cifar-10-batches-bin");
    }
}
