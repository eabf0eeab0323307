using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Xunit;

namespace Frostline.Vision.Tests.Jobs;

/// <summary>
/// SqueezeNet on photographs of ants and bees: a frozen backbone and a new head of two classes, as PyTorch's tutorial does it. There are
/// 153 photographs to validate on, so that another seed, or another order of additions, is worth one or two hundredths: the number of
/// threads belongs to the claim.
/// </summary>
[Collection(LibTorchCollection.Name)]
public sealed class HymenopteraTests
{
    [Fact]
    public void A_pretrained_frozen_backbone_reaches_92_percent_and_does_not_move_by_a_bit()
    {
        var weights = Fixtures.PathOf("data/squeezenet1_0/squeezenet1_0.pth");
        using var folder = new TemporaryFolder();

        var recipe = RecipeOf($"""
              - load: {weights}
                into: "features.**"
            """, allowRandom: false);
        var summary = RecipeRun.Train(recipe, folder.Path).Summary;

        Assert.Equal(50, summary.Audit.FrozenTensors);
        Assert.Equal(0, summary.Audit.Moved);
        Assert.Equal(20, summary.Epochs.Count);
        Assert.InRange(AccuracyOnUnseenPictures(folder), 0.92, 1);
        AssertFeaturesEqual(weights, folder.PathOf("model.safetensors"));
    }

    [Fact]
    public void A_random_frozen_backbone_stays_below_70_percent()
    {
        using var folder = new TemporaryFolder();

        var summary = RecipeRun.Train(RecipeOf("", allowRandom: true), folder.Path).Summary;

        Assert.Equal(0, summary.Audit.Moved);
        Assert.Equal(20, summary.Epochs.Count);
        Assert.InRange(AccuracyOnUnseenPictures(folder), 0, 0.70);
    }

    /// <summary>
    /// Of the network after the last epoch. The training itself does not validate: that would choose the best epoch, and take most of the
    /// time.
    /// </summary>
    private static double AccuracyOnUnseenPictures(TemporaryFolder run)
    {
        var recipe = RecipeOf("", allowRandom: true, $$"""
              validate: { name: image-folder, path: {{Fixtures.PathOf("data/hymenoptera/val")}} }
            """);
        return new EvaluateJob(recipe, RecipeRun.Registry(), run.PathOf("model.safetensors")).Run().Metrics["accuracy"];
    }

    private static Recipe RecipeOf(string load, bool allowRandom, string validate = "") =>
        RecipeRun.Parse($$"""
            version: 1
            seed: 1
            threads: 2
            model: squeezenet1_0
            initialize:
              - draw: "**"
                scheme: squeezenet
            {{load}}
            allow-random: {{(allowRandom ? "true" : "false")}}
            freeze:
              - freeze: "features.**"
            data:
              train: { name: image-folder, path: {{Fixtures.PathOf("data/hymenoptera/train")}} }
            {{validate}}
              transform:
                - resize: 256
                - center-crop: 227
                - channel-order: bgr
                - normalize: { mean: [104, 117, 123] }
              train-transform:
                - random-resized-crop: { size: 227, scale: [0.5, 1] }
                - flip
                - channel-order: bgr
                - normalize: { mean: [104, 117, 123] }
            train:
              epochs: 20
              batch-size: 32
              optimizer: { name: adamw, learning-rate: 1e-3 }
            metrics: [accuracy]
            """);

    private static void AssertFeaturesEqual(string source, string trained)
    {
        using var before = Checkpoint.Open(source);
        using var after = Checkpoint.Open(trained);
        var features = before.Tensors.Where(t => t.Name.StartsWith("features.", StringComparison.Ordinal)).ToList();
        Assert.Equal(50, features.Count);
        foreach (var tensor in features) Assert.Equal(before.Read(tensor.Name), after.Read(tensor.Name));
        Assert.NotEqual(before.Find("classifier.1.weight").Shape, after.Find("classifier.1.weight").Shape);
    }
}
