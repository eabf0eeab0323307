using Frostline.Testing;
using Frostline.Training.Recipes;
using Xunit;

namespace Frostline.Vision.Tests.Jobs;

/// <summary>Networks of several frames, trained by a recipe on simulated videos.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class VideoPoseTests
{
    private const int People = 6;

    /// <summary>The frozen HRNet is evaluated once for each frame, not for each sample; then everything comes from the store.</summary>
    [Theory]
    [InlineData("fami-pose, supports: 2, input-height: 64, input-width: 64, information: true", "hrnet", "global_alignment", "fami-pose")]
    [InlineData("dc-pose, dilations: [1, 2]", "rough_pose_estimation_net", "difference_fusion", "{ name: joint-mse, factor: 1 }")]
    public void A_recipe_trains_the_stages_above_a_frozen_HRNet_and_stores_a_map_for_each_frame(string model, string child, string frostLine, string loss)
    {
        using var folder = new TemporaryFolder();
        var summary = RecipeRun.Train(RecipeOf(model, child, loss, folder.PathOf("store")), folder.PathOf("run")).Summary;
        Assert.Equal(0, summary.Audit.Moved);
        Assert.Equal(1754, summary.Audit.FrozenTensors);
        Assert.True(summary.Prefix.Cache!.Used, summary.Prefix.Cache.Reason);
        Assert.All(summary.Prefix.Stages, stage => Assert.StartsWith($"{child}.", stage, StringComparison.Ordinal));
        Assert.DoesNotContain(frostLine, summary.Prefix.Stages);
        Assert.Equal([(3L * People, 0L), (0L, 3L * People)], summary.Epochs.Select(epoch => (epoch.PrefixRows, epoch.StoredRows)));
        Assert.All(summary.Epochs, epoch => Assert.True(double.IsFinite(epoch.Loss)));
    }

    private static Recipe RecipeOf(string model, string child, string loss, string store) => RecipeRun.Parse($$"""
        version: 1
        seed: 3
        threads: 1
        model: { name: {{model}}, width: 8 }
        allow-random: true
        initialize:
          - draw: "**"
            scheme: resnet
        freeze:
          - freeze: "{{child}}.**"
        data:
          train:
            name: simulated-video
            annotations: {{Fixtures.PathOf("data/lspet/val.json")}}
            images: {{Fixtures.PathOf("data/lspet/images")}}
            supports: [-1, 1]
            samples: {{People}}
          transform:
            - pose-crop: { width: 64, height: 64 }
            - scale: 255
            - normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
            - pose-targets: { sigma: 1 }
          workers: 1
        train: { epochs: 2, batch-size: 3, optimizer: { name: adam, learning-rate: 0.001 } }
        prefix: { engine: libtorch, cache: on, location: {{store}} }
        loss: {{loss}}
        metrics: []
        """);
}
