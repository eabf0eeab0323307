using static TorchSharp.torch;

namespace Frostline.Staging;

/// <summary>A parameter or buffer.</summary>
internal readonly record struct StateEntry(string Name, Tensor Tensor, bool IsParameter)
{
    public long Bytes => Tensor.numel() * Tensor.ElementSize;
}

/// <summary>All parameters and buffers of a module by every name they have; TorchSharp's own lists name a tied tensor once.</summary>
internal static class NetworkState
{
    public static IEnumerable<StateEntry> Of(nn.Module root) =>
        root.named_modules().Prepend(("", root)).SelectMany(pair => Direct(pair.Item1, pair.Item2));

    private static IEnumerable<StateEntry> Direct(string prefix, nn.Module module)
    {
        var dotted = prefix.Length == 0 ? "" : prefix + ".";
        foreach (var (name, parameter) in module.named_parameters(recurse: false)) yield return new(dotted + name, parameter, IsParameter: true);
        foreach (var (name, buffer) in module.named_buffers(recurse: false)) yield return new(dotted + name, buffer, IsParameter: false);
    }
}
