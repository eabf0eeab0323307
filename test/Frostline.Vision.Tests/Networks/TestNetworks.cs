using Frostline.Training.Registration;
using TorchSharp;
using Xunit;

namespace Frostline.Vision.Tests.Networks;

/// <summary>Networks by the names that recipes use.</summary>
internal static class TestNetworks
{
    public static Registry Registry { get; } = CreateRegistry();

    public static torch.nn.Module<torch.Tensor, torch.Tensor> Create(string name, int? classes = null)
    {
        Assert.True(Registry.Networks.TryGet(name, out var entry));
        var options = Activator.CreateInstance(entry.OptionsType)!;
        entry.OptionsType.GetProperty("Classes")!.SetValue(options, classes ?? (name.StartsWith("cifar", StringComparison.Ordinal) ? 10 : 1000));
        return (torch.nn.Module<torch.Tensor, torch.Tensor>)entry.Create(options, new BuildContext { Folder = "." });
    }

    private static Registry CreateRegistry()
    {
        var registry = new Registry();
        new VisionExtension().Register(registry);
        return registry;
    }
}
