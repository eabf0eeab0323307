using Frostline.Checkpoints;
using Frostline.Selection;

namespace Frostline.Initialization;

/// <summary>What an average is made of.</summary>
/// <param name="File">The file's name, without folder.</param>
/// <param name="Hash">Its content hash (<c>Checkpoint.ContentHash</c>).</param>
/// <param name="Weight">Its share of the average; all shares together are 1.</param>
public sealed record AveragedFile(string File, string Hash, double Weight);

/// <summary>What was averaged.</summary>
/// <param name="Files">The files with their shares, in the order given.</param>
/// <param name="Averaged">The names of the tensors that were averaged.</param>
/// <param name="Copied">
/// The names of those that have no average (integers, booleans, 8-bit floats): they are the last file's, in which counters of batches
/// are the latest.
/// </param>
/// <param name="LeftOut">The names of metadata that is not the same in all files.</param>
public sealed record AverageReport(
    IReadOnlyList<AveragedFile> Files, IReadOnlyList<string> Averaged, IReadOnlyList<string> Copied, IReadOnlyList<string> LeftOut);

/// <summary>
/// Averages the values of several checkpoints of one network, trained from the same start: the last epochs of a training (Izmailov et al.,
/// "Averaging weights leads to wider optima and better generalization", 2018), or several trainings (Wortsman et al., "Model
/// soups", 2022). Running statistics are averaged like everything else and no longer fit exactly: estimate them anew with
/// <see cref="NormCalibration"/>.
/// </summary>
public static class CheckpointAverage
{
    /// <summary>Writes the average of some checkpoints; the file is written whole or not at all.</summary>
    /// <param name="path">The file to create or replace; its extension says the format, see <see cref="CheckpointConverter.FormatOf"/>.</param>
    /// <param name="checkpoints">
    /// Two at the least, with equal names, types and shapes. The order of tensors is the first one's. Metadata that all of them have alike
    /// is kept, and provenance is written, where the file is safetensors.
    /// </param>
    /// <param name="weights">A positive weight for each; null for equal ones. They are divided by their sum.</param>
    /// <exception cref="ArgumentException">There are fewer than two, there is not one weight for each, or one is not positive.</exception>
    /// <exception cref="CheckpointException">They do not fit together, or one is damaged.</exception>
    public static AverageReport Write(string path, IReadOnlyList<Checkpoint> checkpoints, IReadOnlyList<double>? weights = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoints);
        if (checkpoints.Count < 2) throw new ArgumentException("An average needs two checkpoints at the least.", nameof(checkpoints));
        var format = CheckpointConverter.FormatOf(path);
        var shares = Shares(checkpoints.Count, weights);
        for (var i = 1; i < checkpoints.Count; i++) RequireSame(checkpoints[0], checkpoints[i]);
        var tensors = checkpoints[0].Tensors.Select(info => Average(info, checkpoints, shares)).ToList();
        var files = checkpoints.Select((file, i) => new AveragedFile(Path.GetFileName(file.Source), file.ContentHash(), shares[i])).ToList();
        var (kept, leftOut) = Metadata(checkpoints);
        var report = new AverageReport(files, Names(checkpoints[0], isFloat: true), Names(checkpoints[0], isFloat: false), leftOut);
        if (format == CheckpointFormat.Safetensors)
        {
            kept[ModelFile.ProvenanceKey] = Provenance(checkpoints, report).ToJson();
            SafetensorsWriter.Write(path, tensors, kept);
            return report;
        }

        PyTorchWriter.Write(path, tensors);
        return report with { LeftOut = [.. leftOut, .. kept.Keys] };
    }

    private static double[] Shares(int count, IReadOnlyList<double>? weights)
    {
        if (weights is null) return [.. Enumerable.Repeat(1.0 / count, count)];
        if (weights.Count != count)
            throw new ArgumentException($"{weights.Count} weights are given for {count} checkpoints.", nameof(weights));
        if (!weights.All(weight => weight > 0 && double.IsFinite(weight)))
            throw new ArgumentException("Weights are positive numbers.", nameof(weights));
        var sum = weights.Sum();
        return [.. weights.Select(weight => weight / sum)];
    }

    private static void RequireSame(Checkpoint first, Checkpoint other)
    {
        foreach (var info in first.Tensors)
        {
            if (!other.TryFind(info.Name, out var same)) throw Misfit($"\"{info.Name}\" of {first.Source} is missing");
            if (same.Type != info.Type || !same.Shape.SequenceEqual(info.Shape))
            {
                throw Misfit(
                    $"\"{info.Name}\" is {same.Type} {same.ShapeText}, and {info.Type} {info.ShapeText} in {first.Source}");
            }
        }

        if (other.Tensors.FirstOrDefault(info => !first.TryFind(info.Name, out _)) is { } more)
            throw Misfit($"\"{more.Name}\" is not in {first.Source}");

        CheckpointException Misfit(string what) => new($"{other.Source}: {what}; only checkpoints of one network can be averaged");
    }

    private static TensorSource Average(TensorInfo info, IReadOnlyList<Checkpoint> checkpoints, double[] shares)
    {
        if (!Elements.IsFloat(info.Type)) return TensorSource.From(checkpoints[^1], checkpoints[^1].Find(info.Name));
        return new TensorSource(info, stream =>
        {
            var readers = checkpoints.Select(checkpoint => new ElementReader(checkpoint, info)).ToList();
            var sums = new double[ElementReader.Part];
            var bytes = new byte[ElementReader.Part * info.Type.Size()];
            while (readers[0].Next())
            {
                var part = sums.AsSpan(0, readers[0].Values.Length);
                part.Clear();
                for (var i = 0; i < readers.Count; i++)
                {
                    if (i > 0) readers[i].Next();
                    for (var j = 0; j < part.Length; j++) part[j] += shares[i] * readers[i].Values[j];
                }

                // Rounded once, from float64.
                var stored = bytes.AsSpan(0, part.Length * info.Type.Size());
                Elements.FromDouble(part, info.Type, stored);
                stream.Write(stored);
            }
        });
    }

    private static List<string> Names(Checkpoint checkpoint, bool isFloat) =>
        [.. checkpoint.Tensors.Where(info => Elements.IsFloat(info.Type) == isFloat).Select(info => info.Name)];

    private static (Dictionary<string, string> Kept, List<string> LeftOut) Metadata(IReadOnlyList<Checkpoint> checkpoints)
    {
        var (kept, leftOut) = (new Dictionary<string, string>(StringComparer.Ordinal), new List<string>());
        foreach (var key in checkpoints.SelectMany(checkpoint => checkpoint.Metadata.Keys).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            if (key == ModelFile.ProvenanceKey) continue;
            var values = checkpoints.Select(checkpoint => checkpoint.Metadata.GetValueOrDefault(key)).Distinct(StringComparer.Ordinal).ToList();
            if (values is [{ } value]) kept.Add(key, value);
            else leftOut.Add(key);
        }

        return (kept, leftOut);
    }

    private static InitializationReport Provenance(IReadOnlyList<Checkpoint> checkpoints, AverageReport report)
    {
        var parents = checkpoints.Select(ModelFile.ProvenanceOf).ToList();
        var rule = $"average of {report.Files.Count} files";
        var copied = report.Copied.ToHashSet(StringComparer.Ordinal);
        var tensors = checkpoints[0].Tensors.Select(info => new TensorProvenance(
            info.Name,
            parents.Select(parent => parent?.Find(info.Name)?.Kind).FirstOrDefault(kind => kind is not null) ?? NodeKind.Parameter,
            info.Type,
            info.Shape,
            rule,
            copied.Contains(info.Name)
                ? new Origin.Loaded(report.Files[^1].File, info.Name, report.Files[^1].Hash)
                : new Origin.Averaged(report.Files)));
        var loads = checkpoints.Select((checkpoint, i) => new LoadReport(
            rule,
            report.Files[i].File,
            report.Files[i].Hash,
            [.. checkpoint.Tensors.Select(info => TensorLoad.Of(LoadOutcome.Loaded, info, info, info.Name))],
            [],
            parents[i]));
        return new InitializationReport(seed: 0, [.. tensors], [.. loads]);
    }
}
