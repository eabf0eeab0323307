using System.Globalization;
using Frostline.Cli.Commands;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;

namespace Frostline.Bench;

/// <summary>
/// What pretrained weights are worth: a small head for joints on PoseNet's frozen backbone, and the same on a drawn one, trained alike on Leeds Sports Pose
/// Extended by <c>examples/pose-lspet.yaml</c>.
/// </summary>
internal static class PretrainedPose
{
    private const double LeastPck = 0.30;

    /// <summary>Trains both.</summary>
    /// <param name="fixtures">The folder with <c>lspet</c> and <c>posenet-mobilenet075</c>.</param>
    /// <returns>0 where the limits hold, 1 where they do not, 2 where the folder lacks something.</returns>
    public static int Run(string fixtures)
    {
        foreach (var needed in new[] { "lspet/train.json", "lspet/val.json", "lspet/images", "posenet-mobilenet075" })
        {
            if (Path.Exists(Path.Combine(fixtures, needed))) continue;
            Console.Error.WriteLine($"{fixtures} has no {needed}");
            return 2;
        }

        var pretrained = Train("pretrained", fixtures);
        var drawn = Train("drawn", fixtures, "initialize=[{ draw: \"**\", scheme: simple-baseline }]", "allow-random=true");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            | frozen backbone | PCK@0.2 of the torso after {pretrained.Epochs.Count} epochs | seconds | persons on which it was evaluated |
            | --- | ---: | ---: | ---: |
            | PoseNet's, trained on COCO | {Pck(pretrained):F3} | {pretrained.Seconds.Total:F0} | {pretrained.Epochs.Sum(epoch => epoch.PrefixRows)} |
            | drawn | {Pck(drawn):F3} | {drawn.Seconds.Total:F0} | {drawn.Epochs.Sum(epoch => epoch.PrefixRows)} |
            | limits | at least {LeastPck:F2}, and drawn at most half | | |
            """));
        return Pck(pretrained) >= LeastPck && Pck(drawn) <= Pck(pretrained) / 2 && pretrained.Audit.Moved == 0 ? 0 : 1;
    }

    /// <summary>Of the network after the last epoch, not of the best one.</summary>
    private static double Pck(RunSummary summary) => summary.Epochs[^1].Metrics["pck"];

    private static RunSummary Train(string name, string fixtures, params string[] sets)
    {
        var output = Path.Combine(Repository.Artifacts, $"pose-{name}");
        if (Directory.Exists(output)) Directory.Delete(output, recursive: true);
        var recipe = Recipe.Load(
            Path.Combine(Repository.Root, "examples", "pose-lspet.yaml"),
            Registries.Create(),
            [
                $"weights={Path.Combine(fixtures, "posenet-mobilenet075")}",
                $"data.train.annotations={Path.Combine(fixtures, "lspet/train.json")}", $"data.train.images={Path.Combine(fixtures, "lspet/images")}",
                $"data.validate.annotations={Path.Combine(fixtures, "lspet/val.json")}", $"data.validate.images={Path.Combine(fixtures, "lspet/images")}",
                $"prefix.location={Path.Combine(Repository.Artifacts, "pose.store")}", .. sets,
            ]);
        Console.Error.WriteLine($"{name} …");
        return new TrainJob(recipe, new TrainJobOptions { Output = output }).Run().Summary;
    }
}
