using System.Globalization;
using System.Text.Json;

namespace Frostline.Vision.Pose;

/// <summary>A box around a person.</summary>
/// <param name="Box">The box in pixels.</param>
/// <param name="Score">How sure a detector is of it, usually 0 to 1.</param>
public readonly record struct ScoredBox(Box Box, double Score = 1);

/// <summary>
/// Boxes around people by image, read from a JSON file. Two forms are known: a list of <c>{"image": "name.jpg", "bbox": [x, y, width, height],
/// "score": 0.9}</c>, where a video's frames are told by <c>"frame": 12</c> (from 0), or by <c>"image_id"</c> as COCO's detections, which is the
/// number in the image's name; and COCO's annotations, with <c>images</c> and <c>annotations</c>.
/// </summary>
public sealed class PersonBoxes
{
    private readonly Dictionary<string, List<ScoredBox>> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<long, List<ScoredBox>> _byNumber = [];
    private readonly List<string> _problems = [];

    private PersonBoxes(string source) => Source = source;

    /// <summary>The file.</summary>
    public string Source { get; }

    /// <summary>Entries that were left out, one line each.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>How many boxes there are.</summary>
    public int Count => _byName.Values.Sum(boxes => boxes.Count) + _byNumber.Values.Sum(boxes => boxes.Count);

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FrostlineException">It is missing or of neither form.</exception>
    public static PersonBoxes Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var stream = File.OpenRead(path);
            using var json = JsonDocument.Parse(stream);
            var boxes = new PersonBoxes(path);
            boxes.Add(json.RootElement);
            return boxes;
        }
        catch (JsonException error)
        {
            throw new FrostlineException($"{path} is no JSON: {error.Message.ReplaceLineEndings(" ")}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new FrostlineException($"{path} cannot be read: {error.Message}", error);
        }
    }

    /// <summary>The boxes of an image, in the order of the file.</summary>
    /// <param name="name">The image's name; its folders count only as far as the file states them.</param>
    /// <returns>The boxes; empty for an image without any.</returns>
    public IReadOnlyList<ScoredBox> Of(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var wanted = name.Replace('\\', '/');
        foreach (var (known, boxes) in _byName)
            if (wanted == known || wanted.EndsWith($"/{known}", StringComparison.Ordinal)) return boxes;
        return long.TryParse(Path.GetFileNameWithoutExtension(wanted), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? Of(number) : [];
    }

    /// <summary>The boxes of a frame of a video, or of an image with a number as its name.</summary>
    /// <param name="number">The frame, from 0, or the number.</param>
    public IReadOnlyList<ScoredBox> Of(long number) => _byNumber.TryGetValue(number, out var boxes) ? boxes : [];

    private void Add(JsonElement root)
    {
        if (root.ValueKind == JsonValueKind.Array)
        {
            foreach (var (index, entry) in root.EnumerateArray().Index()) Add(entry, index, names: null);
        }
        else if (root.ValueKind == JsonValueKind.Object
            && root.TryGetProperty("images", out var images) && images.ValueKind == JsonValueKind.Array
            && root.TryGetProperty("annotations", out var annotations) && annotations.ValueKind == JsonValueKind.Array)
        {
            var names = new Dictionary<long, string>();
            foreach (var image in images.EnumerateArray())
                if (Number(image, "id") is { } id && Text(image, "file_name") is { } name) names[id] = name;
            foreach (var (index, entry) in annotations.EnumerateArray().Index()) Add(entry, index, names);
        }
        else
        {
            throw new FrostlineException($"{Source} has no boxes: give a list of {{\"image\": …, \"bbox\": [x, y, width, height]}}, or COCO's images and annotations");
        }
    }

    private void Add(JsonElement entry, int index, Dictionary<long, string>? names)
    {
        if (BoxOf(entry) is not { } box)
        {
            _problems.Add(FormattableString.Invariant($"entry {index} has no \"bbox\" of four numbers with a positive size"));
            return;
        }

        var scored = new ScoredBox(box, entry.TryGetProperty("score", out var score) && score.ValueKind == JsonValueKind.Number ? score.GetDouble() : 1);
        if (names is not null && Number(entry, "image_id") is { } id && names.TryGetValue(id, out var known)) ListOf(_byName, known).Add(scored);
        else if (Text(entry, "image") is { } name) ListOf(_byName, name.Replace('\\', '/')).Add(scored);
        else if ((Number(entry, "frame") ?? Number(entry, "image_id")) is { } number) ListOf(_byNumber, number).Add(scored);
        else _problems.Add(FormattableString.Invariant($"entry {index} says neither \"image\", \"frame\" nor an \"image_id\" that is known"));
    }

    private static List<ScoredBox> ListOf<T>(Dictionary<T, List<ScoredBox>> lists, T key)
        where T : notnull => lists.TryGetValue(key, out var list) ? list : lists[key] = [];

    private static Box? BoxOf(JsonElement entry)
    {
        if (entry.ValueKind != JsonValueKind.Object || !entry.TryGetProperty("bbox", out var box) || box.ValueKind != JsonValueKind.Array || box.GetArrayLength() != 4)
            return null;
        var sides = new double[4];
        foreach (var (i, side) in box.EnumerateArray().Index())
            if (side.ValueKind != JsonValueKind.Number || !side.TryGetDouble(out sides[i]) || !double.IsFinite(sides[i])) return null;
        return sides[2] > 0 && sides[3] > 0 ? new Box(sides[0], sides[1], sides[2], sides[3]) : null;
    }

    private static long? Number(JsonElement entry, string name) =>
        entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number)
            ? number
            : null;

    private static string? Text(JsonElement entry, string name) =>
        entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
