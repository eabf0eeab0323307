using TorchSharp;

namespace Frostline.Testing;

/// <summary>Counts libtorch tensors that are alive, for tests that say what is left behind.</summary>
public static class LiveTensors
{
    /// <summary>
    /// The tensors alive in the process. Garbage of earlier tests is finalized first: otherwise a collection that happens to fall between two
    /// counts makes their difference wrong.
    /// </summary>
    public static long CountWithoutGarbage()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return torch.Tensor.TotalCount;
    }
}
