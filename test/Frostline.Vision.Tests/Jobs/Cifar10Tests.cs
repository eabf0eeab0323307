using Frostline.Testing;
using Frostline.Training.Jobs;
using Xunit;

namespace Frostline.Vision.Tests.Jobs;

/// <summary>A published checkpoint, in the format of 2018, as it is.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class Cifar10Tests
{
    [Fact]
    public void The_published_ResNet20_gets_504_of_600_images_right()
    {
        var weights = Fixtures.PathOf("data/resnet20-cifar10/resnet20-12fca82f.th");
        var images = Fixtures.PathOf("data/cifar10-sample/test");
        var recipe = RecipeRun.Parse($$"""
            version: 1
            model: cifar-resnet20
            initialize:
              - load: {{weights}}
                strip-prefix: module.
            data:
              train: { name: image-folder, path: {{images}} }
              validate: { name: image-folder, path: {{images}} }
              transform:
                - scale: 255
                - normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
            metrics: [accuracy]
            """);

        var result = new EvaluateJob(recipe, RecipeRun.Registry(), weights).Run();

        Assert.Equal(600, result.Samples);
        Assert.InRange(Math.Round(result.Metrics["accuracy"] * 600), 502, 506);
    }
}
