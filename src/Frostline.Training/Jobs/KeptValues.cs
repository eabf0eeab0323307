using Frostline.Optimization;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>Values of tensors as they were at some moment; they can be put back for a while.</summary>
internal sealed class KeptValues
{
    private readonly List<(torch.Tensor Tensor, torch.Tensor Kept)> _entries = [];

    /// <summary>Copies values.</summary>
    /// <param name="tensors">The tensors; they stay the caller's.</param>
    public KeptValues(IEnumerable<NamedTensor> tensors)
    {
        foreach (var tensor in tensors)
        {
            using var detached = tensor.Tensor.detach();
            _entries.Add((tensor.Tensor, detached.clone().DetachFromDisposeScope()));
        }
    }

    /// <summary>Exchanges the tensors' values and the kept ones; twice, and everything is as it was, bit for bit.</summary>
    public void Exchange()
    {
        using var noGrad = torch.no_grad();
        foreach (var (tensor, kept) in _entries)
        {
            using var target = tensor.detach();
            using var own = target.clone();
            target.copy_(kept);
            kept.copy_(own);
        }
    }

    /// <summary>Frees the copies; the tensors stay as they are.</summary>
    public void Release()
    {
        foreach (var (_, kept) in _entries) kept.Dispose();
        _entries.Clear();
    }
}
