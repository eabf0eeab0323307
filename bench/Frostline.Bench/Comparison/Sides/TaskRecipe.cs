using System.Globalization;
using Frostline.Cli.Commands;
using Frostline.Training.Recipes;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>The recipe of a task.</summary>
internal static class TaskRecipe
{
    /// <summary>Writes the recipe and reads it as the command does; removes what an earlier run has left.</summary>
    /// <returns>The recipe, and the folder for what comes of it.</returns>
    public static (Recipe Recipe, string Output) Load(TrainingTask task)
    {
        var (path, output) = (Path.Combine(Repository.Artifacts, $"{task.Name}.yaml"), Path.Combine(Repository.Artifacts, $"{task.Name}.run"));
        foreach (var folder in task.Warm ? [output] : new[] { output, task.Store })
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        if (task.OutgrowsMemory) PageCache.Evict(task.Store);
        File.WriteAllText(path, Of(task));
        return (Recipe.Load(path, Registries.Create(), []), output);
    }

    private static string Of(TrainingTask task) => string.Create(CultureInfo.InvariantCulture, $$"""
        version: 1
        name: {{task.Name}}
        threads: {{task.Threads}}

        model: {{ModelOf(task)}}

        initialize:
          - load: {{task.Weights}}
            into: "**"
        {{FrozenOf(task)}}
        data:
          train: {{ImagesOf(task)}}
          transform:
            {{CroppingOf(task)}}
            - scale: 255
            - normalize: { mean: [{{string.Join(", ", Decoding.Mean)}}], std: [{{string.Join(", ", Decoding.Deviation)}}] }
          workers: {{task.Workers}}

        train:
          epochs: {{task.Epochs}}
          batch-size: {{task.BatchSize}}
          optimizer: { name: sgd, learning-rate: {{task.LearningRate}}, momentum: 0.9 }
        """);

    private static string ModelOf(TrainingTask task) =>
        task.Network == TrainedNetwork.HRNet ? $"{{ name: hrnet-pose, width: {PosePictures.Width} }}" : "{ name: resnet50 }";

    private static string FrozenOf(TrainingTask task)
    {
        if (task.Trained == TrainedPart.All) return "";
        var trained = (task.Network, task.Trained) switch
        {
            (TrainedNetwork.HRNet, _) => "!final_layer.**",
            (_, TrainedPart.Head) => "!fc.**",
            _ => "!layer4.** & !fc.**",
        };
        return $$"""

            freeze:
              - freeze: "** & {{trained}}"

            prefix: { cache: on, location: {{task.Store}}{{(task.OutgrowsMemory ? ", memory-gigabytes: 0" : "")}} }

            """;
    }

    private static string CroppingOf(TrainingTask task) => task switch
    {
        { Network: TrainedNetwork.HRNet } => $"- pose-crop: {{ width: {task.CropWidth}, height: {task.Crop} }}\n    - pose-targets",
        { Labels: not null } => "- channels: 3",
        _ => $"- center-crop: {task.Crop}",
    };

    private static string ImagesOf(TrainingTask task) =>
        task.Network == TrainedNetwork.HRNet ? $"{{ name: coco-keypoints, annotations: {PosePictures.AnnotationsOf(task.Images)}, images: {task.Images} }}"
        : task.Labels is not null ? $"{{ name: idx, images: {task.Images}, labels: {task.Labels} }}"
        : task.SamplesPerClass is { } most ? $"{{ name: image-folder, path: {task.Images}, samples-per-class: {most} }}"
        : $"{{ name: image-folder, path: {task.Images} }}";
}
