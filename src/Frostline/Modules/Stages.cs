using TorchSharp;

namespace Frostline.Modules;

/// <summary>Which stage owns which module.</summary>
internal static class Stages
{
    internal static IReadOnlyDictionary<torch.nn.Module, string> Of(torch.nn.Module root) =>
        new Dictionary<torch.nn.Module, string>(ReferenceEqualityComparer.Instance);

    internal static IReadOnlyList<string> Names(torch.nn.Module root) => [];
}
