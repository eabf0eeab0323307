// What tests must see in a process of its own, because it could end that process. Arguments: the name of the work, and what it needs.
using System.Globalization;
using Frostline.Children;
using Frostline.Native;
using Frostline.Staging;
using Frostline.Vision.Networks;
using TorchSharp;

if (EngineProbe.Answer(args)) return 0;
if (args is ["store-write", var root, var first, var count])
    return StoreWriter.Run(root, int.Parse(first, CultureInfo.InvariantCulture), int.Parse(count, CultureInfo.InvariantCulture));
NativeRuntime.Load();
return args switch
{
    ["resnet50-step"] => ResNet50Step(),
    ["one-small-image"] => OneSmallImage(),
    ["collected-steps"] => CollectedSteps.Run(),
    ["train", var recipe, var output] => Training.Run(recipe, output),
    _ => Unknown(),
};

// Forward and backward at 224 with everything trainable: the shapes at which oneDNN divides by zero on some processors.
static int ResNet50Step()
{
    torch.random.manual_seed(1);
    using var network = new ResNet(ResNetDepth.ResNet50);
    using var scope = torch.NewDisposeScope();
    network.train();
    var loss = torch.nn.functional.cross_entropy(network.forward(torch.randn(2, 3, 224, 224)), torch.tensor(new long[] { 1, 2 }));
    loss.backward();
    var reached = network.parameters().Count(p => p.grad is { } gradient && gradient.isfinite().all().ToBoolean());
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"gradients {reached}"));
    return 0;
}

// Convolutions for which libtorch may ask for NNPACK and warn.
static int OneSmallImage()
{
    using var network = new CifarResNet();
    using var scope = torch.NewDisposeScope();
    network.eval();
    Console.WriteLine(network.forward(torch.randn(1, 3, 32, 32)).shape[1]);
    return 0;
}

static int Unknown()
{
    Console.Error.WriteLine("usage: Frostline.ChildProcess resnet50-step | one-small-image | collected-steps | train RECIPE OUTPUT | store-write ROOT FIRST COUNT");
    return 2;
}
