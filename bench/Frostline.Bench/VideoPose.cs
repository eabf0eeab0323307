using System.Globalization;
using System.Text.Json.Nodes;
using Frostline.Checkpoints;
using Frostline.Cli.Commands;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Bench;

/// <summary>
/// The lesson that the project comes from, in small: an HRNet is trained from scratch on Leeds Sports Pose Extended, then frozen under FAMI-Pose on videos that
/// are simulated from stills it has not seen. What the video head finds is compared with the frozen network's own heatmaps, and with the same head fed the key
/// frame five times; and once the backbone is frozen by <c>requires_grad</c> alone, so that its norms' statistics drift.
/// </summary>
internal sealed class VideoPose
{
    private const int Stills = 500;
    private const int Seeds = 3;
    private const int Width = 8;

    private readonly string _fixtures;
    private readonly string _folder = Directory.CreateDirectory(Path.Combine(Repository.Artifacts, "video-pose")).FullName;

    private VideoPose(string fixtures) => _fixtures = fixtures;

    /// <summary>Measures, and prints tables.</summary>
    /// <param name="fixtures">The folder with <c>lspet</c>.</param>
    /// <returns>0 where nothing frozen moved, 1 where something did, 2 where the folder lacks something.</returns>
    public static int Run(string fixtures)
    {
        if (File.Exists(Path.Combine(fixtures, "lspet/train.json"))) return new VideoPose(Path.GetFullPath(fixtures)).Run();
        Console.Error.WriteLine($"{fixtures} has no lspet/train.json");
        return 2;
    }

    private int Run()
    {
        Split();
        var backbone = TrainBackbone();
        var (video, repeated, moved) = (new List<double>(), new List<double>(), 0);
        for (var seed = 1; seed <= Seeds; seed++)
        {
            foreach (var (name, motion, found) in new[] { ("video", "", video), ("repeated", Still, repeated) })
            {
                var summary = TrainHead($"{name}-{seed}", backbone, motion, seed, norm: "hold");
                moved += summary.Audit.Moved;
                found.Add(summary.Epochs[^1].Metrics["pck"]);
            }
        }

        var single = Evaluate(backbone);
        // Without validation, so that the file holds the last epoch and not the best one.
        TrainHead("drifting", backbone, "", seed: 1, norm: "move", validates: false);
        var after = Evaluate(BackboneOf(new RunFolder(Path.Combine(_folder, "drifting")).Model));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            | on simulated videos of 200 stills that nothing was trained on | PCK@0.1 of the torso, {Seeds} seeds | mean |
            | --- | --- | ---: |
            | frozen HRNet-W{Width}, the key frame alone | {single:F3} | {single:F3} |
            | FAMI-Pose on it, key frame and four frames around | {Of(video)} | {video.Average():F3} |
            | FAMI-Pose on it, the key frame five times | {Of(repeated)} | {repeated.Average():F3} |

            frozen tensors that moved in {2 * Seeds} trainings: {moved}

            | the HRNet after 20 epochs of the head | PCK@0.1 of the key frame alone |
            | --- | ---: |
            | held by the plan | {single:F3} |
            | parameters frozen, statistics left to move | {after:F3} |
            """));
        return moved == 0 ? 0 : 1;

        static string Of(List<double> values) => string.Join(", ", values.Select(value => value.ToString("F3", CultureInfo.InvariantCulture)));
    }

    private const string Still = ", shift: 0, rotation: 0, scale: 0, light: 0";

    /// <summary>The first stills are for the backbone, the others for the head, as two files of annotations.</summary>
    private void Split()
    {
        var all = JsonNode.Parse(File.ReadAllText(Path.Combine(_fixtures, "lspet/train.json")))!;
        var ids = all["images"]!.AsArray().Select(image => (long)image!["id"]!).Take(Stills).ToHashSet();
        foreach (var (name, isFirst) in new[] { ("backbone", true), ("head", false) })
        {
            var part = new JsonObject
            {
                ["images"] = new JsonArray([.. all["images"]!.AsArray().Where(image => ids.Contains((long)image!["id"]!) == isFirst).Select(image => image!.DeepClone())]),
                ["annotations"] = new JsonArray([.. all["annotations"]!.AsArray()
                    .Where(person => ids.Contains((long)person!["image_id"]!) == isFirst).Select(person => person!.DeepClone())]),
                ["categories"] = all["categories"]!.DeepClone(),
            };
            File.WriteAllText(Path.Combine(_folder, $"{name}.json"), part.ToJsonString());
        }
    }

    private string TrainBackbone()
    {
        Train("backbone", $$"""
            version: 1
            seed: 1
            model: { name: hrnet-pose, width: {{Width}} }
            initialize:
              - draw: "**"
                scheme: resnet
              - draw: final_layer.weight
                initializer: { name: normal, deviation: 0.001 }
              - draw: final_layer.bias
                initializer: zeros
            data:
              train: { name: coco-keypoints, annotations: {{_folder}}/backbone.json, images: {{_fixtures}}/lspet/images }
            {{Transforms}}
              train-transform:
                - pose-augment: { half-body: 0 }
                - pose-crop: { width: 96, height: 128 }
                - pose-targets
                - scale: 255
                - normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
            train: { epochs: 60, batch-size: 32, optimizer: { name: adamw, learning-rate: 4e-3 }, schedule: cosine }
            loss: { name: joint-mse, hardest: 8 }
            """);
        return new RunFolder(Path.Combine(_folder, "backbone")).Model;
    }

    private RunSummary TrainHead(string name, string backbone, string motion, int seed, string norm, bool validates = true) => Train(name, $$"""
        version: 1
        seed: {{seed}}
        model: { name: fami-pose, width: {{Width}}, input-height: 128, input-width: 96 }
        initialize:
          - draw: "**"
            scheme: fami-pose
          - load: {{backbone}}
            into: "hrnet.**"
            add-prefix: hrnet.
        freeze:
          - freeze: "hrnet.**"
            norm: {{norm}}
        prefix: { cache: auto, location: {{_folder}}/store }
        data:
          train: { name: simulated-video, annotations: {{_folder}}/head.json, images: {{_fixtures}}/lspet/images{{motion}} }
        {{(validates ? $"  validate: {{ name: simulated-video, annotations: {_fixtures}/lspet/val.json, images: {_fixtures}/lspet/images{motion} }}" : "")}}
        {{Transforms}}
        train: { epochs: 20, batch-size: 16, optimizer: { name: adamw, learning-rate: 1e-3, weight-decay: 0 }, schedule: cosine }
        loss: { name: joint-mse, factor: 1 }
        {{(validates ? "metrics: [{ pck: 0.1 }]" : "")}}
        """);

    /// <summary>The HRNet of a video network's file, as a file of its own.</summary>
    private string BackboneOf(string file)
    {
        const string prefix = "hrnet.";
        using var whole = Checkpoint.Open(file);
        var path = Path.Combine(_folder, "drifted.safetensors");
        SafetensorsWriter.Write(path, [.. whole.Tensors.Where(tensor => tensor.Name.StartsWith(prefix, StringComparison.Ordinal))
            .Select(tensor => TensorSource.From(whole, tensor, tensor.Name[prefix.Length..]))]);
        return path;
    }

    /// <summary>How well a backbone finds joints in the key frames by itself.</summary>
    private double Evaluate(string file)
    {
        var recipe = Parse($$"""
            version: 1
            model: { name: hrnet-pose, width: {{Width}} }
            data:
              train: { name: coco-keypoints, annotations: {{_folder}}/backbone.json, images: {{_fixtures}}/lspet/images }
              validate: { name: coco-keypoints, annotations: {{_fixtures}}/lspet/val.json, images: {{_fixtures}}/lspet/images }
            {{Transforms}}
            metrics: [{ pck: 0.1 }]
            """);
        return new EvaluateJob(recipe, Registries.Create(), file).Run().Metrics["pck"];
    }

    private const string Transforms = """
          transform:
            - pose-crop: { width: 96, height: 128 }
            - pose-targets
            - scale: 255
            - normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
        """;

    private RunSummary Train(string name, string text)
    {
        Console.Error.WriteLine($"{DateTime.Now:HH:mm:ss} {name}");
        var output = Path.Combine(_folder, name);
        if (Directory.Exists(output)) Directory.Delete(output, recursive: true);
        return new TrainJob(Parse(text), new TrainJobOptions { Output = output }).Run().Summary;
    }

    private Recipe Parse(string text) => Recipe.Parse(text, "video-pose.yaml", _folder, Registries.Create());
}
