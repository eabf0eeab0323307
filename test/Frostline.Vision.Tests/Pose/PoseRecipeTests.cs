using System.Globalization;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using Frostline.Vision.Networks;
using Frostline.Vision.Tests.Jobs;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Recipes of pose from initialisation to evaluation, on a few photographs.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class PoseRecipeTests
{
    [Fact]
    public void A_frozen_HRNet_is_evaluated_once_a_person_and_does_not_move_while_its_last_layer_learns()
    {
        using var folder = new TemporaryFolder();
        SaveBackbone(folder.PathOf("hrnet.safetensors"));
        var text = RecipeOf(folder, "hrnet-pose, width: 8", "** & !final_layer.**");
        var stored = Train(text, folder, "stored", "prefix.cache=on");
        Assert.Equal(0, stored.Audit.Moved);
        Assert.Equal([(12L, 0L), (0L, 12L)], stored.Epochs.Select(epoch => (epoch.PrefixRows, epoch.StoredRows)));
        Assert.Equal("final_layer", stored.Phases[0].FrostLine);
        Assert.True(stored.Epochs[1].Loss < stored.Epochs[0].Loss);
        Assert.InRange(stored.Epochs[1].Metrics["pck"], 0, 1);
        // Without a store the same bits come out.
        Train(text, folder, "plain", "prefix.cache=off");
        Assert.Equal(File.ReadAllBytes(new RunFolder(folder.PathOf("plain")).Model), File.ReadAllBytes(new RunFolder(folder.PathOf("stored")).Model));
    }

    [Fact]
    public void Mirrored_people_are_stored_as_a_stated_number_of_variants()
    {
        using var folder = new TemporaryFolder();
        SaveBackbone(folder.PathOf("hrnet.safetensors"));
        var text = RecipeOf(folder, "hrnet-pose, width: 8", "** & !final_layer.**") + """

              train-transform:
                - pose-augment
                - pose-crop: { width: 64, height: 64 }
                - pose-targets
                - scale: 255
            """;
        Assert.Contains("cached-variants", Assert.Throws<RecipeException>(() => Train(text, folder, "none", "prefix.cache=on")).Message, StringComparison.Ordinal);
        var summary = Train(text, folder, "variants", "prefix.cache=on", "prefix.cached-variants=2", "train.epochs=4");
        Assert.Equal([(12L, 0L), (8L, 4L), (0L, 12L), (0L, 12L)], summary.Epochs.Select(epoch => (epoch.PrefixRows, epoch.StoredRows)));
    }

    [Fact]
    public void A_model_file_knows_its_joints_and_is_evaluated_with_and_without_the_mirror()
    {
        using var folder = new TemporaryFolder();
        SaveBackbone(folder.PathOf("hrnet.safetensors"));
        var text = RecipeOf(folder, "hrnet-pose, width: 8", "** & !final_layer.**");
        Train(text, folder, "run");
        var file = new RunFolder(folder.PathOf("run")).Model;
        using (var model = LoadedModel.Open(file, RecipeRun.Registry()))
        {
            Assert.Equal(14, Assert.IsType<HRNetPose>(model.Network).Joints);
            Assert.Contains("right_ankle", model.Description.Facts["skeleton"], StringComparison.Ordinal);
        }

        var plain = new EvaluateJob(RecipeRun.Parse(text), RecipeRun.Registry(), file).Run().Metrics;
        var mirrored = new EvaluateJob(RecipeRun.Parse(text + "\ntest-time: flip-test\n"), RecipeRun.Registry(), file).Run().Metrics;
        Assert.NotEqual(plain["loss"], mirrored["loss"]);
        Assert.Equal(14, new EvaluateJob(RecipeRun.Parse(text), RecipeRun.Registry(), file).Run().Tables.Single(table => table.Name == "pck-per-joint").Rows.Count);
    }

    [Fact]
    public void A_pretrained_backbone_with_a_new_head_learns_joints_of_64_photographs()
    {
        using var folder = new TemporaryFolder();
        string[] sets =
        [
            $"weights={Path.GetDirectoryName(Fixtures.PathOf("data/posenet-mobilenet075/posenet_mobilenet075.safetensors"))}",
            .. new[] { "train", "validate" }.SelectMany(part => new[]
            {
                $"data.{part}.annotations={Fixtures.PathOf(part == "train" ? "data/lspet/train.json" : "data/lspet/val.json")}",
                $"data.{part}.images={Fixtures.PathOf("data/lspet/images")}",
                $"data.{part}.samples={(part == "train" ? 64 : 8)}",
            }),
            $"prefix.location={folder.PathOf("features")}", "train.epochs=2",
        ];
        var recipe = Recipe.Load(Path.Combine(Fixtures.Repository, "examples", "pose-lspet.yaml"), RecipeRun.Registry(), sets);
        var summary = RecipeRun.Train(recipe, folder.PathOf("run")).Summary;
        Assert.Equal(0, summary.Audit.Moved);
        Assert.Equal([(72L, 0L), (0L, 72L)], summary.Epochs.Select(epoch => (epoch.PrefixRows, epoch.StoredRows)));
        Assert.True(summary.Epochs[1].Loss < summary.Epochs[0].Loss);
        Assert.Equal(54, summary.Audit.FrozenTensors);
    }

    private static void SaveBackbone(string path)
    {
        using var network = new HRNetPose(8, joints: 14);
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, seed: 1);
        ModelFile.Save(network, path);
    }

    private static RunSummary Train(string text, TemporaryFolder folder, string name, params string[] sets)
    {
        var recipe = Recipe.Parse(text, "test.yaml", Fixtures.Repository, RecipeRun.Registry(), [$"prefix.location={folder.PathOf("features")}", .. sets]);
        return RecipeRun.Train(recipe, folder.PathOf(name)).Summary;
    }

    private static string RecipeOf(TemporaryFolder folder, string model, string frozen) => string.Create(CultureInfo.InvariantCulture, $$"""
        version: 1
        seed: 2
        threads: 2
        model: { name: {{model}} }
        initialize:
          - draw: "**"
            scheme: hrnet
          - load: {{folder.PathOf("hrnet.safetensors")}}
            into: "{{frozen}}"
        freeze:
          - freeze: "{{frozen}}"
        train: { epochs: 2, batch-size: 4, optimizer: { name: sgd, learning-rate: 0.05 } }
        prefix: { cache: auto }
        data:
          train: { name: coco-keypoints, annotations: {{Fixtures.PathOf("data/lspet/train.json")}}, images: {{Fixtures.PathOf("data/lspet/images")}}, samples: 8 }
          validate: { name: coco-keypoints, annotations: {{Fixtures.PathOf("data/lspet/val.json")}}, images: {{Fixtures.PathOf("data/lspet/images")}}, samples: 4 }
          transform:
            - pose-crop: { width: 64, height: 64 }
            - pose-targets
            - scale: 255
        """);
}
