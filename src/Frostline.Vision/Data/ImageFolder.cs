using System.ComponentModel.DataAnnotations;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Vision.Data;

/// <summary>Options of the data set <c>image-folder</c>.</summary>
public sealed class ImageFolderOptions
{
    /// <summary>The folder; each folder in it is a class, and every image below that, by extension, one of its samples.</summary>
    [Shorthand, RequiredKey]
    public string Path { get; set; } = "";

    /// <summary>
    /// The class folders that count, in the order of the network's outputs. Default: all, ordered by name (ordinal).
    /// </summary>
    public IReadOnlyList<string>? Classes { get; set; }

    /// <summary>At most that many images of each class, drawn by the seed. Default: all.</summary>
    [Range(1, int.MaxValue)]
    public int? SamplesPerClass { get; set; }

    /// <summary>The seed of <c>samples-per-class</c>. Default: the run's.</summary>
    public long? Seed { get; set; }
}

/// <summary>Images in one folder a class, as torchvision's <c>ImageFolder</c> lays them out.</summary>
public static class ImageFolder
{
    /// <summary>Lists the folder; nothing is decoded.</summary>
    /// <param name="options">Which folder, and what of it.</param>
    /// <param name="context">
    /// From where relative paths count, the seed, and the classes of the training data where these are known.
    /// </param>
    /// <exception cref="FrostlineException">The folder or a class is missing, or a class has no image.</exception>
    public static IDataset Open(ImageFolderOptions options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        var root = context.PathOf(options.Path);
        if (!Directory.Exists(root))
            throw new FrostlineException($"the folder {options.Path} does not exist (looked for {root})");
        var folders = Directory.EnumerateDirectories(root)
            .Select(System.IO.Path.GetFileName)
            .OfType<string>()
            .Where(name => !name.StartsWith('.'))
            .Order(StringComparer.Ordinal)
            .ToList();
        if (folders.Count == 0)
            throw new FrostlineException(
                $"{options.Path} has no folders; in image-folder each class is a folder of images, for other layouts use "
                + "image-list");
        if (options.Classes is { } wanted)
        {
            Labelling.RequireDistinct(wanted);
            foreach (var name in wanted)
                if (!folders.Contains(name, StringComparer.Ordinal))
                    throw new FrostlineException(
                        $"{options.Path} has no folder for the class \"{name}\"{NearestNames.Hint(name, folders)}");
            folders = [.. wanted];
        }

        var classes = Labelling.Agree(folders, multiLabel: false, context.Classes, options.Path);
        var indexOf = Labelling.IndexOf(classes);
        List<ImageEntry> entries = [];
        foreach (var folder in folders)
        {
            var before = entries.Count;
            entries.AddRange(
                ImageFile.In(System.IO.Path.Combine(root, folder)).Select(path => new ImageEntry(path, [indexOf[folder]])));
            if (entries.Count == before)
                throw new FrostlineException(
                    $"the class folder {System.IO.Path.Combine(options.Path, folder)} has no images "
                    + $"({string.Join(' ', ImageFile.Extensions.Order(StringComparer.Ordinal))}); "
                    + "remove it, or list the classes that count under classes");
        }

        var all = new ImageDataset(entries, classes);
        return options.SamplesPerClass is { } most ? DatasetSplit.PerClass(all, most, options.Seed ?? context.Seed) : all;
    }
}
