using System.Globalization;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>The recipe of a task.</summary>
internal static class TaskRecipe
{
    public static string Of(TrainingTask task) => string.Create(CultureInfo.InvariantCulture, $$"""
        version: 1
        name: {{task.Name}}
        threads: {{task.Threads}}

        model: { name: resnet50 }

        initialize:
          - load: {{task.Weights}}
            into: "**"
        {{FrozenOf(task)}}
        data:
          train: {{ImagesOf(task)}}
          transform:
            - {{(task.Labels is not null ? "channels: 3" : $"center-crop: {task.Crop}")}}
            - scale: 255
            - normalize: { mean: [{{string.Join(", ", Decoding.Mean)}}], std: [{{string.Join(", ", Decoding.Deviation)}}] }
          workers: {{task.Workers}}

        train:
          epochs: {{task.Epochs}}
          batch-size: {{task.BatchSize}}
          optimizer: { name: sgd, learning-rate: {{task.LearningRate}}, momentum: 0.9 }
        """);

    private static string FrozenOf(TrainingTask task)
    {
        if (task.Trained == TrainedPart.All) return "";
        var trained = task.Trained == TrainedPart.Head ? "!fc.**" : "!layer4.** & !fc.**";
        return $$"""

            freeze:
              - freeze: "** & {{trained}}"

            prefix: { cache: on, location: {{task.Store}} }

            """;
    }

    private static string ImagesOf(TrainingTask task) =>
        task.Labels is not null ? $"{{ name: idx, images: {task.Images}, labels: {task.Labels} }}"
        : task.SamplesPerClass is { } most ? $"{{ name: image-folder, path: {task.Images}, samples-per-class: {most} }}"
        : $"{{ name: image-folder, path: {task.Images} }}";
}
