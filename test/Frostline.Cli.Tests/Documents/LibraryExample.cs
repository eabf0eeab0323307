using Frostline.Checkpoints;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Optimization;
using Frostline.Vision.Networks;
using TorchSharp;

namespace Frostline.Cli.Tests.Documents;

/// <summary>The README's library example. A test holds that what stands between the markers is what stands in the README.</summary>
internal static class LibraryExample
{
    public static void Run(IEnumerable<(torch.Tensor Images, torch.Tensor Labels)> batches)
    {
        // <example>
        using var network = new ResNet(ResNetDepth.ResNet18, classes: 2);

        using var weights = Checkpoint.Open("resnet18-f37072fd.pth");
        var initialized = new InitializationPlan()
            .Draw("fc", InitializationScheme.ResNet)
            .Load("** & !fc", weights)
            .Apply(network, seed: 7);

        using var frozen = new FreezePlan()
            .Freeze("** & !fc")
            .Apply(network, initialized);   // refuses frozen weights of unknown or random origin

        Console.WriteLine(frozen.Describe());
        using var optimizer = frozen.Optimizer(Optimizers.AdamW(learningRate: 1e-3));

        network.train();   // what is frozen stays in inference mode
        foreach (var (images, labels) in batches)
        {
            using var scope = torch.NewDisposeScope();
            optimizer.ZeroGrad();
            torch.nn.functional.cross_entropy(network.forward(images), labels).backward();
            optimizer.Step();
        }

        frozen.Audit().ThrowIfAnythingMoved();
        ModelFile.Save(network, "ants-and-bees.safetensors", provenance: initialized);
        // </example>
    }
}
