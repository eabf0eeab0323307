using System.Text.Json.Nodes;
using Frostline.Vision.Data;

namespace Frostline.Bench.Comparison;

/// <summary>Pictures of people: dots at the joints before a noisy ground, and where the dots are, as COCO writes it; the same on every machine.</summary>
internal static class PosePictures
{
    /// <summary>Joints of a person, those of COCO.</summary>
    public const int Joints = 17;

    /// <summary>The width of the HRNet that looks at them.</summary>
    public const int Width = 32;

    private const int Radius = 4;

    /// <summary>The file with the joints, beside the folder of images.</summary>
    public static string AnnotationsOf(string images) => Path.Combine(images, "annotations.json");

    /// <summary>Draws pictures into a folder, one person in each, and writes where the joints are.</summary>
    public static void Write(string folder, int count, int height, int width)
    {
        Parallel.For(0, count, i => ImageFile.Save(Draw(i, height, width), Path.Combine(folder, NameOf(i))));
        var categories = new JsonArray(new JsonObject
        {
            ["id"] = 1,
            ["name"] = "person",
            ["keypoints"] = new JsonArray([.. Vision.Pose.Skeleton.Coco.Joints.Select(joint => (JsonNode)joint)]),
        });
        var images = Enumerable.Range(0, count).Select(i => (JsonNode)new JsonObject
        {
            ["id"] = i + 1,
            ["file_name"] = NameOf(i),
            ["width"] = width,
            ["height"] = height,
        });
        var people = Enumerable.Range(0, count).Select(i => (JsonNode)new JsonObject
        {
            ["id"] = i + 1,
            ["image_id"] = i + 1,
            ["category_id"] = 1,
            ["bbox"] = new JsonArray(0, 0, width, height),
            ["area"] = width * height,
            ["iscrowd"] = 0,
            ["num_keypoints"] = Joints,
            ["keypoints"] = new JsonArray([.. JointsOf(i, height, width).SelectMany(joint => new JsonNode[] { joint.X, joint.Y, 2 })]),
        });
        File.WriteAllText(AnnotationsOf(folder), new JsonObject
        {
            ["images"] = new JsonArray([.. images]),
            ["annotations"] = new JsonArray([.. people]),
            ["categories"] = categories,
        }.ToJsonString());
    }

    private static string NameOf(int index) => FormattableString.Invariant($"{index:D5}.jpg");

    private static IEnumerable<(int X, int Y)> JointsOf(int index, int height, int width)
    {
        var random = new CounterRandom(1, $"person:{index}");
        return [.. Enumerable.Range(0, Joints).Select(_ => (random.NextInt32(width), random.NextInt32(height)))];
    }

    private static ImageField Draw(int index, int height, int width)
    {
        var random = new CounterRandom(1, $"ground:{index}");
        var pixels = new byte[height * width * 3];
        for (var i = 0; i < pixels.Length; i++) pixels[i] = (byte)(96 + (random.NextUInt32() & 63));
        foreach (var (number, (x, y)) in JointsOf(index, height, width).Index())
            for (var v = Math.Max(0, y - Radius); v <= Math.Min(height - 1, y + Radius); v++)
                for (var u = Math.Max(0, x - Radius); u <= Math.Min(width - 1, x + Radius); u++)
                    for (var c = 0; c < 3; c++) pixels[(((v * width) + u) * 3) + c] = (byte)(255 * ((number >> c) & 1));
        return new ImageField(pixels, height, width, 3);
    }
}
