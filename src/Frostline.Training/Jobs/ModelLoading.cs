using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>Puts checkpoints of whole networks into networks.</summary>
internal static class ModelLoading
{
    /// <summary>Opens a checkpoint that is to be used as a model.</summary>
    /// <exception cref="FrostlineException">It cannot be read, or is the state of a training.</exception>
    public static Checkpoint Open(string path)
    {
        var file = Checkpoint.Open(path);
        if (!file.Metadata.ContainsKey(TrainingCheckpoint.StateKey)) return file;
        file.Dispose();
        throw new FrostlineException(
            $"{path} is a training's state, not a model; use model.safetensors or checkpoint/best.safetensors of its run folder");
    }

    /// <summary>
    /// Loads the whole network from the file; the names may have the wrapper <c>module.</c> of parallel training.
    /// </summary>
    public static void Load(TorchSharp.torch.nn.Module network, Checkpoint file, List<string> remarks)
    {
        var report = new InitializationPlan().Load("**", file, KeyMap.Identity.StripOptional("module.")).Apply(network, seed: 0);
        foreach (var key in report.Unexpected) remarks.Add($"the file holds \"{key}\", which the network lacks");
        foreach (var skip in report.Skipped) remarks.Add($"left out: {skip}");
        // That the optional wrapper is absent is what one expects.
        remarks.AddRange(report.Loads
            .SelectMany(load => load.Remarks)
            .Where(remark => !remark.Contains("module.", StringComparison.Ordinal)));
    }
}
