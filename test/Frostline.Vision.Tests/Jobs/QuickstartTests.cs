using System.Globalization;
using Frostline.Testing;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using Xunit;

namespace Frostline.Vision.Tests.Jobs;

/// <summary>The quickstart's claim: what the backbone learned on five classes of clothes helps with five others.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class QuickstartTests
{
    private static readonly string s_file = Path.Combine(Fixtures.Repository, "examples", "quickstart.yaml");

    /// <summary>
    /// The mean of three seeds, each with other images to learn from and another head. The random backbone gets every chance:
    /// a Kaiming draw, statistics estimated on the training images, and the best of three learning rates for each seed.
    /// </summary>
    [Fact]
    public void A_pretrained_frozen_backbone_beats_a_random_one_by_ten_points()
    {
        double pretrained = 0, random = 0;
        for (var seed = 1; seed <= 3; seed++)
        {
            pretrained += Accuracy([$"seed={seed.ToString(CultureInfo.InvariantCulture)}"]);
            random += new[] { "0.001", "0.01", "0.1" }.Max(rate => Accuracy(Random(seed, rate)));
        }

        Assert.InRange((pretrained - random) / 3, 0.10, 1);
    }

    [Fact]
    public void A_random_frozen_backbone_is_refused()
    {
        using var folder = new TemporaryFolder();
        var recipe = Recipe.Load(s_file, RecipeRun.Registry(), ["initialize=[{ draw: \"**\", scheme: resnet }]"]);

        var error = Assert.ThrowsAny<FrostlineException>(() => RecipeRun.Train(recipe, folder.Path));

        Assert.Contains("allow-random", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static string[] Random(int seed, string rate) =>
    [
        $"seed={seed.ToString(CultureInfo.InvariantCulture)}",
        $"train.optimizer.learning-rate={rate}",
        "initialize=[{ draw: \"**\", scheme: resnet }, { calibrate-norm: \"**\", batches: 4 }]",
        "allow-random=true",
    ];

    /// <summary>The accuracy after the last epoch on 40 validation images of each class, the same ones for everybody.</summary>
    private static double Accuracy(string[] sets)
    {
        using var folder = new TemporaryFolder();
        var recipe = Recipe.Load(s_file, RecipeRun.Registry(), [.. sets, "data.validate.samples-per-class=40", "data.validate.seed=0"]);
        var summary = RecipeRun.Train(recipe, folder.Path).Summary;
        Assert.Equal(0, summary.Audit.Moved);
        return LastOf(summary);
    }

    private static double LastOf(RunSummary summary) => summary.Epochs[^1].Metrics["accuracy"];
}
