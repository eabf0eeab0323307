namespace Frostline.Initialization;

/// <summary>One generation in the history of a tensor: what is known of it in one file.</summary>
/// <param name="File">The name of the file, without folder.</param>
/// <param name="Name">What the tensor is called there.</param>
/// <param name="Tensor">Where its value came from; null where the file says nothing of its tensors.</param>
public sealed record ProvenanceStep(string File, string Name, TensorProvenance? Tensor)
{
    /// <summary>Follows a tensor back, through copies inside a network and through all generations of files.</summary>
    /// <param name="file">The name of the file that carries the report.</param>
    /// <param name="report">What the file says of its tensors; null where it says nothing.</param>
    /// <param name="name">The tensor's name in the file.</param>
    /// <returns>The steps, the newest first; the last one is where the value began, or where nothing more is known.</returns>
    /// <exception cref="InitializationException">The report has no such tensor; the message names the nearest.</exception>
    public static IReadOnlyList<ProvenanceStep> Trace(string file, InitializationReport? report, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (report is not null && report.Find(name) is null)
        {
            throw new InitializationException(
                $"{file}: there is no tensor \"{name}\"{NearestNames.Hint(name, report.Tensors.Select(tensor => tensor.Name))}");
        }

        var steps = new List<ProvenanceStep>();
        var seen = new HashSet<(InitializationReport?, string)>();
        // A report comes from a file, which may hold copies in a circle.
        while (seen.Add((report, name)))
        {
            var tensor = report?.Find(name);
            steps.Add(new ProvenanceStep(file, name, tensor));
            switch (OriginOf(tensor))
            {
                case Origin.Copied copied: name = copied.From; break;
                case Origin.Loaded loaded:
                    report = report!.Loads.FirstOrDefault(load => load.Hash == loaded.Hash)?.Parent;
                    (file, name) = (loaded.File, loaded.Key);
                    break;
                default: return steps;
            }
        }

        return steps;
    }

    /// <summary>Where a value came from before it was worked on in its place.</summary>
    private static Origin? OriginOf(TensorProvenance? tensor)
    {
        var origin = tensor?.Origin;
        while (origin is Origin.Calibrated or Origin.Scaled)
            origin = origin is Origin.Calibrated calibrated ? calibrated.Before : ((Origin.Scaled)origin).Before;
        return origin;
    }
}
