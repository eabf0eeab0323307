using Frostline.Checkpoints;
using Frostline.Modules;
using TorchSharp;

namespace Frostline.Initialization;

/// <summary>
/// Frostline's model files: safetensors with every parameter and persistent buffer under its PyTorch name, in the order of
/// <c>state_dict</c>, so that PyTorch loads them too; what is known of the model lies beside them as metadata. Equal networks and
/// metadata give equal bytes: no time and no folder is stored.
/// </summary>
public static class ModelFile
{
    /// <summary>
    /// The metadata key under which the provenance lies, as <see cref="InitializationReport.ToJson"/> writes it.
    /// </summary>
    public const string ProvenanceKey = "frostline.provenance";

    /// <summary>Writes a network. The file is replaced as a whole or not at all; tensors are streamed, one at a time.</summary>
    /// <param name="network">The network.</param>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Text entries to store beside the tensors; null for none.</param>
    /// <param name="provenance">
    /// Where the values came from; null stores none, unless <paramref name="metadata"/> holds it.
    /// </param>
    /// <exception cref="FrostlineException">A tensor is of a type that files cannot hold.</exception>
    public static void Save(
        torch.nn.Module network,
        string path,
        IReadOnlyDictionary<string, string>? metadata = null,
        InitializationReport? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>(StringComparer.Ordinal)) entries[key] = value;
        if (provenance is not null) entries[ProvenanceKey] = provenance.ToJson();
        SafetensorsWriter.Write(path, Tensors(network), entries);
    }

    /// <summary>A network's parameters and persistent buffers as they would be saved, written when their turn comes.</summary>
    /// <param name="network">The network; it must not change until the tensors are written.</param>
    public static IReadOnlyList<TensorSource> Tensors(torch.nn.Module network) =>
    [
        .. ModuleTree.Of(network).Tensors.Where(entry => entry.Persistent).Select(entry => TensorBytes.SourceOf(entry.Name, entry.Tensor)),
    ];

    /// <summary>
    /// Loads a model file into a network of the same structure: every parameter and persistent buffer must be there with its
    /// exact shape and type, and nothing else. On an error the network is as it was.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="path">The file; any format that <see cref="Checkpoint.Open(string, string)"/> knows.</param>
    /// <returns>
    /// A report in which everything is loaded; its only <see cref="LoadReport"/> holds the file's own provenance.
    /// </returns>
    /// <exception cref="FrostlineException">The file cannot be read, or does not fit the network exactly.</exception>
    public static InitializationReport Load(torch.nn.Module network, string path)
    {
        using var checkpoint = Checkpoint.Open(path);
        return new InitializationPlan().Load("**", checkpoint)
            .Run(network, seed: 0, write: true, check: decisions => RequireSame(Path.GetFileName(path), decisions));
    }

    /// <summary>The provenance that a checkpoint carries, or null where it carries none.</summary>
    /// <exception cref="InitializationException">There is one, and it cannot be read.</exception>
    public static InitializationReport? ProvenanceOf(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return checkpoint.Metadata.TryGetValue(ProvenanceKey, out var json) ? InitializationReport.FromJson(json) : null;
    }

    private static void RequireSame(string file, PlanDecisions decisions)
    {
        var unexpected = decisions.Loads.SelectMany(load => load.Tensors).Where(t => t.Outcome == LoadOutcome.Unexpected).Select(t => t.Key).ToList();
        if (unexpected.Count > 0)
            throw new InitializationException(
                $"{file} holds \"{unexpected[0]}\"{More(unexpected.Count)}, which the network lacks; "
                + "it was written from another network");
        foreach (var tensor in decisions.Network.Tensors)
            if (decisions.Of(tensor)!.Assignment is LoadAssignment load && load.Source.Type != tensor.Info.Type)
                throw new InitializationException(
                    $"{file} holds \"{load.Source.Name}\" as {load.Source.Type}, the network has {tensor.Info.Type}; "
                    + "convert the network first");
    }

    private static string More(int count) => count > 1 ? $" and {count - 1} more" : "";
}
