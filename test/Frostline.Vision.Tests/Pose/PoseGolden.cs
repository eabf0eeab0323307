using System.Runtime.InteropServices;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Testing;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Reference numbers of the official pose code.</summary>
internal static class PoseGolden
{
    public static JsonElement Json(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Fixtures.PathOf($"golden/pose/{name}.json")));
        return document.RootElement.Clone();
    }

    public static List<JsonElement> Cases(string name) => [.. Json(name).GetProperty("cases").EnumerateArray()];

    public static Checkpoint Tensors(string name) => Checkpoint.Open(Fixtures.PathOf($"golden/pose/{name}.safetensors"));

    public static float[] Floats(this Checkpoint file, string name) => MemoryMarshal.Cast<byte, float>(file.Read(name)).ToArray();

    public static double[] Numbers(this JsonElement element, string name) => Numbers(element.GetProperty(name));

    public static double[] Numbers(this JsonElement list) => [.. list.EnumerateArray().Select(number => number.GetDouble())];

    public static double[][] Rows(this JsonElement element, string name) => [.. element.GetProperty(name).EnumerateArray().Select(Numbers)];
}
