using System.Text.Json;

namespace Frostline.Vision.Pose;

/// <summary>Writes predicted people as evaluation servers take them. Files appear whole or not at all.</summary>
public static class PoseResults
{
    // A thousandth of a pixel is far below what an annotator can see, and files of hundred thousand people stay half as large.
    private const int CoordinateDigits = 3;
    private const int ScoreDigits = 6;

    /// <summary>
    /// Writes COCO's results of keypoints: a list of people, each with <c>image_id</c>, <c>category_id</c>, <c>keypoints</c> (x, y and score of each joint)
    /// and <c>score</c>.
    /// </summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="people">The people, in the order of the file.</param>
    /// <param name="category">The id of the category. Default: 1, COCO's people.</param>
    /// <exception cref="FrostlineException">A coordinate or score is no finite number.</exception>
    public static void WriteCoco(string path, IEnumerable<PredictedPerson> people, long category = 1)
    {
        ArgumentNullException.ThrowIfNull(people);
        AtomicFile.Write(path, stream =>
        {
            using var json = new Utf8JsonWriter(stream);
            json.WriteStartArray();
            foreach (var person in people)
            {
                Require(person);
                json.WriteStartObject();
                json.WriteNumber("image_id", person.ImageId);
                json.WriteNumber("category_id", category);
                json.WriteStartArray("keypoints");
                foreach (var joint in person.Joints)
                {
                    WritePlace(json, joint);
                    json.WriteNumberValue(Math.Round(joint.Score, ScoreDigits));
                }

                json.WriteEndArray();
                json.WriteNumber("score", person.Score);
                json.WriteEndObject();
                Flush(json);
            }

            json.WriteEndArray();
        });
    }

    /// <summary>
    /// Writes PoseTrack 2018's submission: one file a video, by the name of the folder of its frames, with the lists <c>images</c>, <c>annotations</c> and
    /// <c>categories</c>. Joints are in the 17 places of <see cref="Skeleton.PoseTrack18"/>, by their names; places that the skeleton does not have are
    /// (0, 0) and not labelled.
    /// </summary>
    /// <param name="folder">The folder, created where it is missing.</param>
    /// <param name="images">All frames of all videos, with or without people.</param>
    /// <param name="people">The people; one without a number in the video takes its place among those of its frame.</param>
    /// <param name="skeleton">What the predicted joints are.</param>
    /// <returns>The files, in the order of the videos.</returns>
    /// <exception cref="FrostlineException">
    /// An image is no frame of a video, two videos have folders of one name, a person's image is not among them, or a number is not finite.
    /// </exception>
    public static IReadOnlyList<string> WritePoseTrack(
        string folder, IReadOnlyList<PoseImage> images, IReadOnlyList<PredictedPerson> people, Skeleton skeleton)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(people);
        ArgumentNullException.ThrowIfNull(skeleton);
        var known = images.Select(image => image.Id).ToHashSet();
        if (people.FirstOrDefault(person => !known.Contains(person.ImageId)) is { } stray)
            throw new FrostlineException($"a person was predicted in image {stray.ImageId}, which is not among the {known.Count} frames");
        foreach (var person in people) Require(person, skeleton.Joints.Count);
        var single = images.FirstOrDefault(image => image.Video is null);
        if (single is not null) throw new FrostlineException($"{single.Path} is no frame of a video, and PoseTrack's results are one file a video");
        var ofImage = people.ToLookup(person => person.ImageId);
        List<string> files = [];
        foreach (var video in images.GroupBy(image => image.Video!, StringComparer.Ordinal))
        {
            var path = Path.Combine(folder, Path.GetFileName(video.Key.TrimEnd('/')) + ".json");
            if (files.Contains(path, StringComparer.Ordinal))
                throw new FrostlineException($"two videos have frames in folders of the name {Path.GetFileNameWithoutExtension(path)}; write them apart");
            AtomicFile.Write(path, stream => WriteVideo(stream, [.. video], ofImage, skeleton));
            files.Add(path);
        }

        return files;
    }

    private static void WriteVideo(Stream stream, List<PoseImage> frames, ILookup<long, PredictedPerson> people, Skeleton skeleton)
    {
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteStartArray("images");
        foreach (var frame in frames)
        {
            json.WriteStartObject();
            json.WriteString("file_name", frame.Name);
            json.WriteNumber("id", frame.Id);
            json.WriteNumber("frame_id", frame.Id);
            json.WriteNumber("nframes", frame.FrameCount ?? frames.Count);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("annotations");
        int[] places = [.. Skeleton.PoseTrack18.Joints.Select(name => skeleton.Joints.ToList().IndexOf(name))];
        foreach (var frame in frames)
        {
            var number = 0;
            foreach (var person in people[frame.Id])
            {
                WritePerson(json, person, places, (frame.Id * 100) + number, person.TrackId ?? number);
                number++;
            }

            Flush(json);
        }

        json.WriteEndArray();
        WriteCategory(json);
        json.WriteEndObject();
    }

    private static void WritePerson(Utf8JsonWriter json, PredictedPerson person, int[] places, long id, long track)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteNumber("image_id", person.ImageId);
        json.WriteNumber("category_id", 1);
        json.WriteNumber("track_id", track);
        json.WriteNumber("score", person.Score);
        if (person.Box is { } box)
        {
            json.WriteStartArray("bbox");
            foreach (var value in (double[])[box.X, box.Y, box.Width, box.Height]) json.WriteNumberValue(Math.Round(value, CoordinateDigits));
            json.WriteEndArray();
        }

        json.WriteStartArray("keypoints");
        foreach (var place in places)
        {
            WritePlace(json, place < 0 ? default : person.Joints[place]);
            json.WriteNumberValue(place < 0 ? 0 : 1);
        }

        json.WriteEndArray();
        json.WriteStartArray("scores");
        foreach (var place in places) json.WriteNumberValue(place < 0 ? 0 : Math.Round(person.Joints[place].Score, ScoreDigits));
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteCategory(Utf8JsonWriter json)
    {
        json.WriteStartArray("categories");
        json.WriteStartObject();
        json.WriteString("supercategory", "person");
        json.WriteNumber("id", 1);
        json.WriteString("name", "person");
        json.WriteStartArray("keypoints");
        foreach (var joint in Skeleton.PoseTrack18.Joints) json.WriteStringValue(joint);
        json.WriteEndArray();
        json.WriteStartArray("skeleton");
        foreach (var (a, b) in Skeleton.PoseTrack18.Limbs)
        {
            json.WriteStartArray();
            json.WriteNumberValue(a + 1);
            json.WriteNumberValue(b + 1);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void WritePlace(Utf8JsonWriter json, PredictedJoint joint)
    {
        json.WriteNumberValue(Math.Round(joint.X, CoordinateDigits));
        json.WriteNumberValue(Math.Round(joint.Y, CoordinateDigits));
    }

    /// <summary>Lets go of what is written, so that a large file never lies in memory whole.</summary>
    private static void Flush(Utf8JsonWriter json)
    {
        if (json.BytesPending > 1 << 16) json.Flush();
    }

    private static void Require(PredictedPerson person, int? joints = null)
    {
        if (joints is { } count && person.Joints.Count != count)
            throw new FrostlineException($"a person in image {person.ImageId} has {person.Joints.Count} joints and the skeleton {count}");
        var box = person.Box ?? default;
        if (!double.IsFinite(person.Score + box.X + box.Y + box.Width + box.Height)
            || person.Joints.Any(joint => !double.IsFinite(joint.X + joint.Y + joint.Score)))
        {
            throw new FrostlineException($"a person in image {person.ImageId} has a place or a score that is no finite number, which JSON cannot say");
        }
    }
}
