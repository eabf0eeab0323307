namespace Frostline.Vision.Pose;

/// <summary>
/// What a detector found, in COCO's format of results: <c>[{ "image_id": 785, "category_id": 1, "bbox": [left, top, width, height], "score": 0.9 }, …]</c>.
/// </summary>
public sealed record PersonDetections
{
    /// <summary>The people, in the order of the file.</summary>
    public required IReadOnlyList<PersonDetection> People { get; init; }

    /// <summary>What is wrong in the file, one line each; those entries are left out.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="annotations">
    /// The images that detections are for: those in others are problems, and things of other categories are left out. Null for all, of category 1.
    /// </param>
    /// <param name="minimumScore">The least score that counts. Default: all.</param>
    /// <exception cref="FrostlineException">The file is missing, is no JSON, or is not a list.</exception>
    public static PersonDetections Read(string path, PoseAnnotations? annotations = null, double minimumScore = double.NegativeInfinity)
    {
        ArgumentNullException.ThrowIfNull(path);
        var images = annotations?.Images.ToDictionary(image => image.Id);
        var categories = annotations?.Categories ?? [1];
        List<PersonDetection> people = [];
        List<string> problems = [];
        JsonFile.Open(path).ForEach((entry, index) =>
        {
            try
            {
                if (entry.Optional("category_id")?.Whole("category_id") is { } category && !categories.Contains(category)) return;
                var found = new PersonDetection(
                    entry.Required("image_id").Whole("image_id"), entry.Required("bbox").Box("bbox"), entry.Required("score").Number("score"));
                if (images is not null)
                {
                    if (!images.TryGetValue(found.ImageId, out var image)) throw new FaultyEntryException($"there is no image {found.ImageId}");
                    PoseCollector.RequireInside(found.Box, image);
                }

                if (found.Score >= minimumScore) people.Add(found);
            }
            catch (FaultyEntryException fault)
            {
                problems.Add(FormattableString.Invariant($"detection [{index}]: {fault.Message}; it is left out"));
            }
        });
        return new PersonDetections { People = people, Problems = problems };
    }
}
