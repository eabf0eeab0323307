using static TorchSharp.torch;

namespace Frostline.Testing;

/// <summary>The entries of a network in the order of PyTorch's <c>state_dict</c>, found without the library under test.</summary>
public static class NetworkEntries
{
    /// <summary>Module by module: its own parameters, its own buffers, then its children.</summary>
    public static IEnumerable<(string Name, Tensor Tensor)> Of(nn.Module module, string prefix = "")
    {
        foreach (var (name, parameter) in module.named_parameters(recurse: false)) yield return (prefix + name, parameter);
        foreach (var (name, buffer) in module.named_buffers(recurse: false)) yield return (prefix + name, buffer);
        foreach (var (name, child) in module.named_children())
            foreach (var entry in Of(child, $"{prefix}{name}.")) yield return entry;
    }
}
