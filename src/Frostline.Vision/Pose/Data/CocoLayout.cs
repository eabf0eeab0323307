using System.Globalization;
using System.Text.Json;

namespace Frostline.Vision.Pose;

/// <summary>Reads one file in COCO's format or in PoseTrack 2018's, which adds what belongs to videos.</summary>
/// <param name="file">The file.</param>
/// <param name="collector">Takes what it says.</param>
/// <param name="isVideo">Whether images are frames of videos, and a joint is either labelled or not.</param>
/// <param name="prefix">What problems say in front of the entry where there are several files; else empty.</param>
internal sealed class CocoLayout(JsonFile file, PoseCollector collector, bool isVideo, string prefix)
{
    // By which part of their extent on each side the joints' rectangle is widened where the file has no box (PoseTrack's own tools do so).
    private const double Margin = 0.15;

    private readonly Dictionary<string, int> _framesOfVideo = new(StringComparer.Ordinal);
    private readonly HashSet<long> _others = [];
    private readonly List<long> _categories = [];

    /// <summary>The joints: given, or, after <see cref="Read"/>, those of the category.</summary>
    public Skeleton? Skeleton { get; set; }

    /// <summary>The name of the category that counts; null for all that have joints.</summary>
    public string? Category { get; init; }

    /// <summary>The ids of the categories that count; that of COCO's people where the file has no categories.</summary>
    public IReadOnlyList<long> Categories => _categories.Count > 0 ? _categories : [1];

    /// <summary>Reads the file.</summary>
    /// <exception cref="FrostlineException">It lacks a list, or says no joints.</exception>
    public void Read()
    {
        if (!file.Has("images") || !file.Has("annotations"))
        {
            var formats = isVideo ? "PoseTrack 2018's format has images and annotations, that of 2017 annolist" : "COCO's format has images, annotations and categories";
            throw new FrostlineException($"{file.Path} lacks the list \"{(file.Has("images") ? "annotations" : "images")}\"; give a file of keypoints: {formats}");
        }

        ReadCategories();
        file.ForEach("images", (image, index) => collector.Try(() => Named("image", "images", image, index), () => ReadImage(image)));
        file.ForEach(
            "annotations",
            (person, index) => collector.Try(() => Named("annotation", "annotations", person, index), () => ReadPerson(person, index)));
    }

    /// <summary>A box around labelled joints: their rectangle, widened on each side by 15 % of its extent; null where none is labelled.</summary>
    public static Box? BoxAround(IEnumerable<Joint> joints)
    {
        List<Joint> labelled = [.. joints.Where(joint => joint.IsLabelled)];
        if (labelled.Count == 0) return null;
        double left = labelled.Min(j => j.X), right = labelled.Max(j => j.X), top = labelled.Min(j => j.Y), bottom = labelled.Max(j => j.Y);
        // Joints on one line, or a single one, would give a box without extent.
        double x = Math.Max(1, (right - left) * Margin), y = Math.Max(1, (bottom - top) * Margin);
        return new Box(left - x, top - y, right - left + (2 * x), bottom - top + (2 * y));
    }

    private void ReadCategories()
    {
        List<(long Id, string Name, Skeleton Skeleton)> found = [];
        if (file.Has("categories"))
        {
            file.ForEach("categories", (category, index) => collector.Try(() => Named("category", "categories", category, index), () =>
            {
                var id = category.Required("id").Whole("id");
                _others.Add(id);
                if (category.Optional("keypoints") is not { } joints) return;
                var title = category.Optional("name")?.Text("name") ?? id.ToString(CultureInfo.InvariantCulture);
                string[] names = [.. joints.List("keypoints").Select(joint => joint.Text("a joint's name"))];
                if (names.Distinct(StringComparer.Ordinal).Count() < names.Length) throw new FaultyEntryException("two joints of one name");
                if (names.Length > 0) found.Add((id, title, SkeletonNames.SkeletonOf(names, Limbs(category, names.Length))));
            }));
        }

        Choose(found);
    }

    private void Choose(List<(long Id, string Name, Skeleton Skeleton)> found)
    {
        if (Category is { } wanted)
        {
            if (found.All(category => category.Name != wanted))
            {
                throw new FrostlineException(
                    $"{file.Path} has no category \"{wanted}\" with keypoints{NearestNames.Hint(wanted, [.. found.Select(category => category.Name)])}");
            }

            found = [.. found.Where(category => category.Name == wanted)];
        }

        foreach (var category in found) _others.Remove(category.Id);
        _categories.AddRange(found.Select(category => category.Id).Distinct());
        if (found.Count == 0)
        {
            if (Skeleton is null)
                throw new FrostlineException($"{file.Path} has no category with keypoints, so its joints are not known; give the skeleton or the joints");
            return;
        }

        var joints = found[0].Skeleton.Joints;
        if (found.FirstOrDefault(category => !category.Skeleton.Joints.SequenceEqual(joints, StringComparer.Ordinal)) is { Skeleton: not null } other)
        {
            throw new FrostlineException(
                $"{file.Path}: the categories \"{found[0].Name}\" and \"{other.Name}\" have different joints; say which counts under category");
        }

        Skeleton ??= found[0].Skeleton;
        if (Skeleton.Joints.Count != joints.Count)
        {
            throw new FrostlineException(
                $"{file.Path}: the category \"{found[0].Name}\" has {joints.Count} joints, and the skeleton has {Skeleton.Joints.Count}; they have to be as many");
        }
    }

    private List<(int A, int B)> Limbs(JsonElement category, int joints)
    {
        List<(int, int)> limbs = [];
        if (category.Optional("skeleton") is not { } list) return limbs;
        foreach (var limb in list.List("skeleton"))
        {
            // Counted from 1 in the file.
            long[] ends = [.. limb.List("a limb").Select(end => end.Whole("a limb's end"))];
            if (ends.Length == 2 && ends.All(end => end >= 1 && end <= joints)) limbs.Add(((int)ends[0] - 1, (int)ends[1] - 1));
            else collector.Note($"{prefix}a limb of the category does not connect two of its {joints} joints; it is left out");
        }

        return limbs;
    }

    private void ReadImage(JsonElement entry)
    {
        var path = entry.Required("file_name").Text("file_name");
        var image = new PoseImage
        {
            Id = entry.Required("id").Whole("id"),
            Name = path,
            Path = collector.PathOf(path),
            Width = Side(entry, "width"),
            Height = Side(entry, "height"),
        };
        collector.Add(isVideo ? Frame(entry, image) : image);
    }

    private PoseImage Frame(JsonElement entry, PoseImage image)
    {
        var (video, number) = VideoFolder.Place(image.Name);
        var position = _framesOfVideo.GetValueOrDefault(video);
        _framesOfVideo[video] = position + 1;
        return image with
        {
            Video = video,
            Frame = number ?? position,
            FrameCount = entry.Optional("nframes")?.Whole("nframes") is { } count and > 0 and <= int.MaxValue ? (int)count : null,
            IsLabelled = entry.Optional("is_labeled")?.Flag("is_labeled") ?? true,
        };
    }

    private void ReadPerson(JsonElement entry, int index)
    {
        var id = entry.Required("id").Whole("id");
        if (entry.Optional("category_id")?.Whole("category_id") is { } category && !Categories.Contains(category))
        {
            if (_others.Contains(category)) return;
            if (_categories.Count > 0) throw new FaultyEntryException($"there is no category {category}");
        }

        var joints = entry.Required("keypoints").Joints(Skeleton!.Joints.Count, "keypoints");
        if (isVideo) joints = [.. joints.Select(joint => joint.IsLabelled ? joint with { Visibility = JointVisibility.Visible } : joint)];
        var box = entry.Optional("bbox")?.Box("bbox") ?? BoxAround(joints) ?? throw new FaultyEntryException("neither bbox nor a labelled joint");
        var area = entry.Optional("area")?.Number("area") ?? box.Area;
        if (area < 0) throw new FaultyEntryException(FormattableString.Invariant($"the area is {area}"));
        collector.Add(new PersonAnnotation
        {
            Id = id,
            ImageId = entry.Required("image_id").Whole("image_id"),
            TrackId = entry.Optional("track_id")?.Whole("track_id"),
            Box = box,
            Area = area,
            IsCrowd = entry.Optional("iscrowd")?.Flag("iscrowd") ?? false,
            Joints = joints,
            Head = collector.Head(() => Named("annotation", "annotations", entry, index), () => entry.Optional("bbox_head")?.Box("bbox_head")),
        });
        if (entry.Optional("bbox") is null) collector.Note($"{Named("annotation", "annotations", entry, index)}: no bbox; the box around its joints is taken");
    }

    private static int Side(JsonElement entry, string field) => entry.Optional(field)?.Whole(field) switch
    {
        null => 0,
        > 0 and <= int.MaxValue and var side => (int)side,
        var side => throw new FaultyEntryException(FormattableString.Invariant($"the {field} is {side}")),
    };

    private string Named(string kind, string list, JsonElement entry, int index)
    {
        return prefix + (entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty("id", out var value)
            && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var known)
            ? FormattableString.Invariant($"{kind} {known}")
            : FormattableString.Invariant($"{list}[{index}]"));
    }
}
