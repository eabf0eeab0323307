using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Vision.Data;

/// <summary>Options of the data set <c>image-list</c>.</summary>
public sealed class ImageListOptions
{
    /// <summary>
    /// The list, recognised by content: CSV with the header <c>path,label</c> (one class), <c>path,labels</c> (any number, see
    /// <see cref="Separator"/>) or <c>path</c>; or JSON lines, <c>{"path": "a.jpg", "label": "cat"}</c> or <c>"labels": ["cat",
    /// "dog"]</c>. Other columns and keys are left alone.
    /// </summary>
    [Shorthand, RequiredKey]
    public string Path { get; set; } = "";

    /// <summary>The folder that the list's relative paths count from. Default: the list's own.</summary>
    public string? Root { get; set; }

    /// <summary>
    /// The classes, in the order of the network's outputs. Default: those that occur, ordered by name, or by value where all are
    /// integers.
    /// </summary>
    public IReadOnlyList<string>? Classes { get; set; }

    /// <summary>What separates the labels in a CSV's column <c>labels</c>. Default: <c>|</c>.</summary>
    public string Separator { get; set; } = "|";

    /// <summary>At most that many images of each class, drawn by the seed. Default: all.</summary>
    [Range(1, int.MaxValue)]
    public int? SamplesPerClass { get; set; }

    /// <summary>The seed of <c>samples-per-class</c>. Default: the run's.</summary>
    public long? Seed { get; set; }
}

/// <summary>Images that a CSV or JSON-lines file lists, with one label, several or none.</summary>
public static class ImageList
{
    /// <summary>
    /// Reads the list; nothing is decoded, and a file that does not exist counts as unreadable when it is read.
    /// </summary>
    /// <param name="options">Which list, and what of it.</param>
    /// <param name="context">
    /// From where relative paths count, the seed, and the classes of the training data where these are known.
    /// </param>
    /// <exception cref="FrostlineException">
    /// The list is missing or malformed (with its line), or names a class that does not exist.
    /// </exception>
    public static IDataset Open(ImageListOptions options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        var path = context.PathOf(options.Path);
        if (!File.Exists(path)) throw new FrostlineException($"the list {options.Path} does not exist (looked for {path})");
        var list = ImageListParser.Parse(ReadText(path, options.Path), options.Path, options.Separator);
        if (list.Rows.Count == 0) throw new FrostlineException($"{options.Path} lists no images");
        var root = options.Root is null ? System.IO.Path.GetDirectoryName(path)! : context.PathOf(options.Root);
        var classes = ClassesOf(list, options, context);
        var indexOf = classes is null ? null : Labelling.IndexOf(classes);
        List<ImageEntry> entries = [];
        foreach (var row in list.Rows)
        {
            var labels = new List<int>(row.Labels.Count);
            foreach (var label in row.Labels)
            {
                if (!indexOf!.TryGetValue(label, out var index))
                    throw new FrostlineException(
                        $"{options.Path}:{row.Line}: the class \"{ImageListParser.Shown(label)}\" does not "
                        + $"exist{NearestNames.Hint(label, classes!.Names)}");
                if (!labels.Contains(index)) labels.Add(index);
            }

            entries.Add(new ImageEntry(System.IO.Path.GetFullPath(row.Path, root), labels));
        }

        var all = new ImageDataset(entries, classes);
        return options.SamplesPerClass is { } most ? DatasetSplit.PerClass(all, most, options.Seed ?? context.Seed) : all;
    }

    private static ClassMap? ClassesOf(ParsedList list, ImageListOptions options, BuildContext context)
    {
        if (list.Kind == LabelKind.None) return null;
        if (options.Classes is { } given) Labelling.RequireDistinct(given);
        var own = options.Classes ?? Sorted(list.Rows.SelectMany(r => r.Labels).Distinct(StringComparer.Ordinal).ToList());
        return Labelling.Agree(own, list.Kind == LabelKind.Several, context.Classes, options.Path);
    }

    private static IReadOnlyList<string> Sorted(List<string> names) =>
        names.All(n => long.TryParse(n, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            ? [.. names.OrderBy(n => long.Parse(n, CultureInfo.InvariantCulture)).ThenBy(n => n, StringComparer.Ordinal)]
            : [.. names.Order(StringComparer.Ordinal)];

    private static string ReadText(string path, string shown)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new FrostlineException($"{shown} cannot be read ({error.Message})", error);
        }
    }
}
