using System.Text.Json;
using Frostline.Vision.Data;
using Frostline.Vision.Pictures;
using TorchSharp;

namespace Frostline.Vision.Pose;

/// <summary>Writes what a prediction of poses found: a JSON file, and pictures.</summary>
internal sealed class PosePredictionWriter(PosePredictOptions options, Skeleton skeleton)
{
    private const int Columns = 6;
    private const int LeastTapColumns = 8;
    private const int TapScale = 2;

    private readonly List<string> _files = [];

    /// <summary>What was written so far, relative to the output folder.</summary>
    public IReadOnlyList<string> Files => _files;

    /// <summary>Writes each frame that has people with them.</summary>
    public void WriteOverlays(IReadOnlyList<PoseFrame> frames, IReadOnlyList<IReadOnlyList<FoundPerson>> people)
    {
        if (!options.Pictures.HasFlag(PosePictures.Overlays)) return;
        foreach (var (frame, found) in frames.Zip(people))
        {
            if (found.Count == 0) continue;
            Save(PoseOverlay.Draw(frame.Pictures[0](), found.Select(person => person.Person), skeleton, options.LeastScore), $"overlays/{frame.Name}.png");
        }
    }

    /// <summary>Writes a person's heatmaps over what the network saw, joint by joint.</summary>
    /// <param name="name">The person's name in files.</param>
    /// <param name="images">What the network saw of the batch.</param>
    /// <param name="heatmaps">The heatmaps of the batch.</param>
    /// <param name="row">The person's place in the batch.</param>
    /// <param name="count">How many people the batch has.</param>
    public void WriteHeatmaps(string name, torch.Tensor images, torch.Tensor heatmaps, int row, int count)
    {
        using var scope = torch.NewDisposeScope();
        var image = FirstRow(images, row, count);
        var (low, high) = (image.min().item<float>(), image.max().item<float>());
        var seen = image.ToImage(high > low ? new PictureRange(low, high) : null);
        var maps = FirstRow(heatmaps, row, count);
        var pictures = Enumerable.Range(0, (int)maps.shape[0]).Select(joint => HeatMap.Over(seen, maps[joint])).ToList();
        Save(PictureGrid.Of(pictures, Columns), $"heatmaps/{name}.png");
    }

    /// <summary>Writes the channels of a tap as a grid.</summary>
    /// <param name="name">The person's name in files.</param>
    /// <param name="tap">The tap's name.</param>
    /// <param name="maps">What the tap put out.</param>
    /// <param name="row">The person's place in the batch.</param>
    /// <param name="count">How many people the batch has.</param>
    public void WriteTap(string name, string tap, torch.Tensor maps, int row, int count)
    {
        using var scope = torch.NewDisposeScope();
        var channels = FirstRow(maps, row, count).ToFeatureMaps();
        var columns = Math.Max(LeastTapColumns, (int)Math.Ceiling(Math.Sqrt(channels.Count)));
        Save(PictureGrid.Of(channels, columns, scale: TapScale), $"taps/{name}-{tap}.png");
    }

    /// <summary>Writes all joints.</summary>
    public void WriteKeypoints(IReadOnlyList<FoundPeople> frames, string model, string network)
    {
        const string name = "keypoints.json";
        AtomicFile.Write(Path.Combine(options.Output, name), stream =>
        {
            using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
            json.WriteStartObject();
            json.WriteString("model", model);
            json.WriteString("network", network);
            json.WriteStartArray("joints");
            foreach (var joint in skeleton.Joints) json.WriteStringValue(joint);
            json.WriteEndArray();
            json.WriteStartArray("limbs");
            foreach (var (a, b) in skeleton.Limbs) WriteNumbers(json, null, a, b);
            json.WriteEndArray();
            json.WriteStartArray("frames");
            foreach (var frame in frames) Write(json, frame);
            json.WriteEndArray();
            json.WriteEndObject();
        });
        _files.Add(name);
    }

    private static void Write(Utf8JsonWriter json, FoundPeople frame)
    {
        json.WriteStartObject();
        json.WriteString("source", frame.Source);
        json.WriteNumber("number", frame.Number);
        json.WriteStartArray("people");
        foreach (var (box, person) in frame.People)
        {
            json.WriteStartObject();
            WriteNumbers(json, "box", box.X, box.Y, box.Width, box.Height);
            json.WriteNumber("score", person.Score);
            json.WriteStartArray("joints");
            // As COCO's keypoints, but with the score in the place of the visibility.
            foreach (var joint in person.Joints) WriteNumbers(json, null, joint.X, joint.Y, joint.Score);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string? name, params ReadOnlySpan<double> numbers)
    {
        if (name is null) json.WriteStartArray();
        else json.WriteStartArray(name);
        foreach (var number in numbers)
        {
            if (double.IsFinite(number)) json.WriteNumberValue(number);
            else json.WriteNullValue();
        }

        json.WriteEndArray();
    }

    /// <summary>A sample's first row: of a video the key frame.</summary>
    private static torch.Tensor FirstRow(torch.Tensor rows, int row, int count) => rows[row * (rows.shape[0] / count)].cpu();

    private void Save(ImageField picture, string name)
    {
        ImageFile.Save(picture, Path.Combine(options.Output, name));
        _files.Add(name);
    }
}
