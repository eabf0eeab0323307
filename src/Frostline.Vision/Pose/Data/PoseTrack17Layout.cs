using System.Text.Json;

namespace Frostline.Vision.Pose;

/// <summary>
/// Reads one file of PoseTrack 2017: <c>annolist</c> has an entry a frame, with <c>image[0].name</c>, <c>imgnum</c>, <c>is_labeled</c> and
/// <c>annorect</c>, an entry a person: <c>track_id</c>, the head's corners <c>x1 y1 x2 y2</c>, and <c>annopoints[0].point</c>, whose entries have
/// <c>id</c>, <c>x</c>, <c>y</c> and <c>is_visible</c>. Since the files come from Matlab, numbers stand in lists of one.
/// </summary>
/// <param name="file">The file.</param>
/// <param name="collector">Takes what it says.</param>
/// <param name="prefix">What problems say in front of the entry where there are several files; else empty.</param>
internal sealed class PoseTrack17Layout(JsonFile file, PoseCollector collector, string prefix)
{
    private static readonly string[] Corners = ["x1", "y1", "x2", "y2"];

    private static readonly int Joints = Skeleton.PoseTrack17.Joints.Count;

    /// <summary>Reads the file.</summary>
    /// <exception cref="FrostlineException">Its <c>annolist</c> is no list.</exception>
    public void Read() => file.ForEach("annolist", (entry, index) => collector.Try(
        () => FormattableString.Invariant($"{prefix}annolist[{index}]"), () => ReadFrame(entry, index)));

    private void ReadFrame(JsonElement entry, int index)
    {
        var image = First(entry.Required("image"), "image") ?? throw new FaultyEntryException("no image");
        var name = image.Required("name").Text("the image's name");
        var people = entry.Optional("annorect") is { } list ? ListOf(list) : [];
        var (video, number) = VideoFolder.Place(name);
        var frame = First(entry.Optional("imgnum"), "imgnum")?.Whole("imgnum");
        var id = collector.Images + 1L;
        collector.Add(new PoseImage
        {
            Id = id,
            Name = name,
            Path = collector.PathOf(name),
            Video = video,
            Frame = number ?? (frame is >= 0 and <= int.MaxValue ? (int)frame : index),
            IsLabelled = First(entry.Optional("is_labeled"), "is_labeled")?.Flag("is_labeled") ?? people.Count > 0,
        });
        for (var i = 0; i < people.Count; i++)
        {
            var (person, place) = (people[i], i);
            string Named() => FormattableString.Invariant($"{prefix}annolist[{index}].annorect[{place}] of {name}");
            collector.Try(Named, () => ReadPerson(person, id, Named));
        }
    }

    private void ReadPerson(JsonElement person, long imageId, Func<string> name)
    {
        var joints = new Joint[Joints];
        if (First(person.Optional("annopoints"), "annopoints")?.Optional("point") is { } points)
            foreach (var point in ListOf(points)) ReadJoint(point, joints);
        var head = collector.Head(name, () => Head(person));
        // People far away have a head's box alone.
        var box = CocoLayout.BoxAround(joints) ?? head ?? throw new FaultyEntryException("neither a joint nor a head's box");
        collector.Add(new PersonAnnotation
        {
            Id = collector.People + 1L,
            ImageId = imageId,
            TrackId = First(person.Optional("track_id"), "track_id")?.Whole("track_id"),
            Box = box,
            Area = box.Area,
            Joints = joints,
            Head = head,
        });
    }

    private static void ReadJoint(JsonElement point, Joint[] joints)
    {
        var id = Value(point, "id").Whole("a joint's id");
        if (id < 0 || id >= joints.Length) throw new FaultyEntryException($"there is no joint {id}; they are 0 to {joints.Length - 1}");
        if (joints[id].IsLabelled) throw new FaultyEntryException($"joint {id} is there twice");
        var isVisible = First(point.Optional("is_visible"), "is_visible")?.Flag("is_visible") ?? true;
        var (x, y) = (Value(point, "x").Number("x"), Value(point, "y").Number("y"));
        joints[id] = new Joint(x, y, isVisible ? JointVisibility.Visible : JointVisibility.Hidden);
    }

    private static Box? Head(JsonElement person)
    {
        var corners = new double[Corners.Length];
        for (var i = 0; i < Corners.Length; i++)
        {
            if (First(person.Optional(Corners[i]), Corners[i]) is not { } value) return null;
            corners[i] = value.Number(Corners[i]);
        }

        var head = new Box(corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]);
        return head.Width > 0 && head.Height > 0
            ? head
            : throw new FaultyEntryException(FormattableString.Invariant($"the head's box is {head.Width} wide and {head.Height} high"));
    }

    private static JsonElement Value(JsonElement entry, string field) =>
        First(entry.Required(field), field) ?? throw new FaultyEntryException($"{field} is empty");

    /// <summary>The one value of a list of one, or a value without list; null for an empty list.</summary>
    private static JsonElement? First(JsonElement? value, string what)
    {
        if (value is not { ValueKind: JsonValueKind.Array } list) return value;
        return list.GetArrayLength() switch
        {
            0 => null,
            1 => list[0],
            _ => throw new FaultyEntryException($"{what} has several values"),
        };
    }

    /// <summary>A list; an object alone, as Matlab's converters write a list of one, counts as one.</summary>
    private static List<JsonElement> ListOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => [.. value.EnumerateArray()],
        JsonValueKind.Object => [value],
        _ => throw new FaultyEntryException("a list of people or joints is none"),
    };
}
