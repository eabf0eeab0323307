namespace Frostline.Training.Runs;

/// <summary>
/// The folder that a training produces:
/// <list type="table">
/// <item><term><c>summary.json</c></term><description>what came out, see <see cref="RunSummary"/>; written when training
/// ends</description></item>
/// <item><term><c>model.safetensors</c></term><description>the network to use: that of the best epoch, averaged (EMA) where the
/// recipe says so</description></item>
/// <item><term><c>checkpoint/last.safetensors</c></term><description>everything that resuming needs, by name, see <see
/// cref="TrainingCheckpoint"/></description></item>
/// <item><term><c>checkpoint/best.safetensors</c></term><description>the network of the best epoch so far, a model
/// file</description></item>
/// <item><term><c>checkpoint/frozen.safetensors</c></term><description>what the frozen tensors were, where the recipe asks for it
/// (<c>audit: { copies: true }</c>)</description></item>
/// <item><term><c>initialization.json</c></term><description>where each tensor's first value came from, an
/// <see cref="Initialization.InitializationReport"/></description></item>
/// <item><term><c>metrics.jsonl</c></term><description>a line for each step and each epoch</description></item>
/// <item><term><c>recipe.yaml</c></term><description>the recipe with every default written out</description></item>
/// <item><term><c>log.txt</c></term><description>what was said on the way</description></item>
/// </list>
/// Every file but the last two appending ones is replaced whole, so that ending the process at any moment leaves the folder
/// usable.
/// </summary>
public sealed class RunFolder
{
    /// <summary>Names a folder; nothing is created.</summary>
    /// <param name="path">The folder.</param>
    public RunFolder(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Path = System.IO.Path.GetFullPath(path);
    }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>What came out.</summary>
    public string Summary => In("summary.json");

    /// <summary>The network to use.</summary>
    public string Model => In("model.safetensors");

    /// <summary>Where each tensor's first value came from.</summary>
    public string InitialValues => In("initialization.json");

    /// <summary>A line for each step and each epoch.</summary>
    public string Metrics => In("metrics.jsonl");

    /// <summary>The recipe with every default written out.</summary>
    public string Recipe => In("recipe.yaml");

    /// <summary>What was said on the way.</summary>
    public string Log => In("log.txt");

    /// <summary>The folder of <see cref="Last"/> and <see cref="Best"/>.</summary>
    public string Checkpoints => In("checkpoint");

    /// <summary>Everything that resuming needs.</summary>
    public string Last => System.IO.Path.Combine(Checkpoints, "last.safetensors");

    /// <summary>The network of the best epoch so far.</summary>
    public string Best => System.IO.Path.Combine(Checkpoints, "best.safetensors");

    /// <summary>What the run's frozen tensors were; only where the recipe asks for copies.</summary>
    public string Frozen => System.IO.Path.Combine(Checkpoints, "frozen.safetensors");

    /// <summary>Creates the folder for a new run, or opens it to resume one.</summary>
    /// <param name="resume">Whether a run that is there is gone on with.</param>
    /// <returns>Whether there is a checkpoint to go on from; false for a new run, also where it was to be resumed and has none
    /// yet.</returns>
    /// <exception cref="FrostlineException">The folder holds a run, and <paramref name="resume"/> is false.</exception>
    public bool Open(bool resume)
    {
        if (!resume && new[] { Summary, Model, Last, Metrics }.FirstOrDefault(File.Exists) is { } found)
            throw new FrostlineException(
                $"{Path} holds a run already ({System.IO.Path.GetFileName(found)}); resume it, or give another output folder");
        Directory.CreateDirectory(Checkpoints);
        RemoveLeftovers();
        return File.Exists(Last);
    }

    /// <summary>Temporary files of a process that was ended while it wrote.</summary>
    private void RemoveLeftovers()
    {
        foreach (var folder in new[] { Path, Checkpoints })
        {
            foreach (var file in Directory.EnumerateFiles(folder, "*.tmp")) File.Delete(file);
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
