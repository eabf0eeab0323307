using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Metrics;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using Frostline.Vision.Pose;
using TorchSharp;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Metrics of pose on real annotations, given heatmaps that are known to be right, moved or absent.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class PoseMetricTests
{
    [Fact]
    public void The_heatmaps_that_are_aimed_at_find_all_joints_of_COCO()
    {
        var values = Measure(Coco(), "keypoint-ap", _ => { });
        Assert.Equal(10, values.Count);
        Assert.Equal(1, values["ap-50"], 1e-9);
        // Heatmaps round to their pixels; a small person pays for it at the strictest thresholds.
        Assert.InRange(values["ap"], 0.9, 1);
        Assert.Equal(1, Measure(Coco(), "pck", _ => { })["pck"]);
    }

    [Fact]
    public void Heatmaps_of_another_place_find_none()
    {
        Action<Dictionary<string, torch.Tensor>> move = outputs => outputs["heatmaps"] = outputs["heatmaps"].roll([24L, 18], [2L, 3]);
        Assert.InRange(Measure(Coco(), "pck", move)["pck"], 0, 0.15);
        Assert.InRange(Measure(Coco(), "keypoint-ap", move)["ap"], 0, 0.1);
    }

    [Fact]
    public void PoseTracks_own_measure_finds_all_joints_that_it_counts()
    {
        var data = KeypointData.OpenPoseTrack(
            new PoseTrackOptions
            {
                Annotations = Fixtures.PathOf("data/posetrack18-sample/annotations/test_posetrack18_val.json"),
                Images = Fixtures.PathOf("data/posetrack18-sample"),
            },
            new BuildContext { Folder = Path.GetTempPath() });
        Assert.Equal(1, Measure(data, "posetrack-ap", _ => { })["map"], 0.02);
        using var folder = new TemporaryFolder();
        var metric = new PoseTrackApMetric(new PoseTrackApOptions(), data, folder.PathOf("results"));
        Run(data, metric, _ => { });
        Assert.Equal(3, Directory.GetFiles(folder.PathOf("results"), "*.json").Length);
    }

    [Fact]
    public void Predictions_are_written_as_COCOs_results()
    {
        using var folder = new TemporaryFolder();
        var data = Coco();
        Run(data, new KeypointApMetric(new KeypointApOptions(), data, folder.PathOf("results.json")), _ => { });
        using var json = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(folder.PathOf("results.json")));
        Assert.Equal(data.Count, json.RootElement.GetArrayLength());
        Assert.Equal(51, json.RootElement[0].GetProperty("keypoints").GetArrayLength());
    }

    [Fact]
    public void Of_a_part_of_the_people_the_others_are_neither_found_nor_missed()
    {
        var whole = Coco();
        var values = Measure(whole, "keypoint-ap", _ => { }, new SubsetDataset(whole, [0, 3, 5]));
        Assert.Equal(1, values["ar-50"], 1e-9);
    }

    [Fact]
    public void What_does_not_fit_is_said()
    {
        var data = Coco();
        Assert.Contains("no validation data", Assert.Throws<FrostlineException>(() => Metric("pck", null)).Message, StringComparison.Ordinal);
        Assert.Contains(
            "[2, 5, 8, 8]", Assert.Throws<FrostlineException>(() => Measure(data, "pck", outputs => outputs["heatmaps"] = torch.zeros(2, 5, 8, 8))).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "\"heatmaps\"", Assert.Throws<FrostlineException>(() => Measure(data, "pck", outputs => outputs.Remove("heatmaps"))).Message, StringComparison.Ordinal);
    }

    private static IPoseData Coco() => KeypointData.OpenCoco(
        new CocoKeypointsOptions { Annotations = Fixtures.PathOf("data/coco-sample/test_coco.json") }, new BuildContext { Folder = Path.GetTempPath() });

    private static IMetric Metric(string name, IDataset? data)
    {
        var registry = new Registry().Add(new VisionExtension());
        return registry.Metrics.Item(name).Create(new BuildContext { Folder = Path.GetTempPath(), ValidationData = data });
    }

    private static Dictionary<string, double> Measure(
        IDataset data, string name, Action<Dictionary<string, torch.Tensor>> change, IDataset? part = null)
    {
        var metric = Metric(name, part ?? data);
        Run(part ?? data, metric, change);
        return metric.Result().Values.ToDictionary(value => value.Name, value => value.Value, StringComparer.Ordinal);
    }

    /// <summary>Gives the metric the heatmaps that are aimed at as the network's.</summary>
    private static void Run(IDataset data, IMetric metric, Action<Dictionary<string, torch.Tensor>> change)
    {
        metric.Reset();
        using var loader = new BatchLoader(data, new BatchLoaderOptions
        {
            BatchSize = 2,
            Transforms = [new PoseCrop { Width = 192, Height = 256 }, new PoseTargets(), new Scale()],
        });
        foreach (var batch in loader.Epoch(0))
        {
            using var scope = torch.NewDisposeScope();
            var fields = HostTensors.Of(batch, torch.CPU);
            var outputs = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal) { ["heatmaps"] = fields["heatmap"] };
            change(outputs);
            metric.Add(outputs, fields);
            batch.Dispose();
        }

        _ = metric.Result();
    }
}
