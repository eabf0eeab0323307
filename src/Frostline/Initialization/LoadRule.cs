using System.Globalization;
using Frostline.Checkpoints;
using Frostline.Selection;

namespace Frostline.Initialization;

/// <summary>Loads from a checkpoint; everything is checked before anything is decided.</summary>
internal sealed record LoadRule(Selector Into, Checkpoint Checkpoint, KeyMap Map, LoadOptions Options)
    : PlanRule($"load \"{Path.GetFileName(Checkpoint.Source)}\" into \"{Into.Text}\"")
{
    private const string Counter = "num_batches_tracked";
    private const int Shown = 5;

    public override void Decide(PlanDecisions decisions)
    {
        var network = decisions.Network;
        var map = MapKeys();
        var keys = map.Pairs.ToDictionary(pair => pair.Target, pair => pair.Source, StringComparer.Ordinal);
        var selected = network.Select(Text, Into).ToHashSet();
        var skip = Options.Skip is null ? [] : network.Select(Text, Selector.Parse(Options.Skip)).ToHashSet();
        var head = Options.Head is null ? [] : network.Select(Text, Selector.Parse(Options.Head)).ToHashSet();
        var other = new Dictionary<PlannedTensor, TensorInfo>();
        var wanted = network.Tensors
            .Where(t => selected.Contains(t) && !skip.Contains(t) && t.Entry.Persistent && decisions.IsOpen(t)).ToList();

        var found = new Dictionary<PlannedTensor, TensorInfo>();
        var missing = new List<PlannedTensor>();
        foreach (var tensor in wanted)
        {
            if (tensor.Names.FirstOrDefault(keys.ContainsKey) is not { } name)
            {
                missing.Add(tensor);
                continue;
            }

            var source = Checkpoint.Find(keys[name]);
            var differs = head.Contains(tensor) && !source.Shape.SequenceEqual(tensor.Info.Shape);
            (differs ? other : found).Add(tensor, source);
        }

        RequireFit(found);
        var counters = CountersOfOldFile(network, missing, found);
        missing.RemoveAll(counters.Contains);
        RequireCoverage(found.Count, missing, map);

        foreach (var tensor in other.Keys) decisions.Leave(this, tensor);
        var (unexpected, skipped) = LeftOver(decisions, map, found, other, selected, skip);
        foreach (var (tensor, source) in found) decisions.Add(this, tensor, new LoadAssignment(Checkpoint, source));
        foreach (var tensor in counters)
            decisions.Add(
                this, tensor, SetAssignment.Checked(Text, tensor, 0, "the checkpoint is older than this counter and holds none"));
        List<string> remarks = [.. map.Remarks];
        if (counters.Count > 0) remarks.Add($"the checkpoint holds no {Counter}; {counters.Count} of them set to 0");
        decisions.Add(new PendingLoad(
            Text,
            Checkpoint,
            found.Count,
            found.Count + missing.Count,
            [.. missing.Select(t => t.Name)],
            unexpected,
            skipped,
            remarks));
    }

    private KeyMapResult MapKeys()
    {
        if (Checkpoint.Tensors.Count == 0) throw new InitializationException($"{Text}: the checkpoint holds no tensor");
        try
        {
            return Map.Apply([.. Checkpoint.Tensors.Select(tensor => tensor.Name)]);
        }
        catch (CheckpointException error)
        {
            throw new InitializationException($"{Text}: {error.Message}", error);
        }
    }

    /// <summary>
    /// Files written before PyTorch 0.4.1 know no counters; PyTorch's strict load accepts that (state-dict version below 2). A
    /// file that has some counters and lacks others is not old but incomplete.
    /// </summary>
    private HashSet<PlannedTensor> CountersOfOldFile(
        PlannedNetwork network, List<PlannedTensor> missing, Dictionary<PlannedTensor, TensorInfo> found)
    {
        if (Checkpoint.Tensors.Any(tensor => tensor.Name.EndsWith(Counter, StringComparison.Ordinal))) return [];
        return [.. missing.Where(tensor =>
            tensor.Name.EndsWith(Counter, StringComparison.Ordinal)
            && network.Find(tensor.Name[..^Counter.Length] + "running_mean") is { } mean
            && found.ContainsKey(mean))];
    }

    private void RequireFit(Dictionary<PlannedTensor, TensorInfo> found)
    {
        var wrong = new List<string>();
        foreach (var (tensor, source) in found)
        {
            if (!source.Shape.SequenceEqual(tensor.Info.Shape))
                wrong.Add($"{tensor.Name} is {tensor.Info.ShapeText} in the network and {source.ShapeText} in the file");
            else if (source.Type != tensor.Info.Type && !(Elements.IsFloat(source.Type) && Elements.IsFloat(tensor.Info.Type)))
                wrong.Add($"{tensor.Name} is {tensor.Info.Type} in the network and {source.Type} in the file, which is not cast");
            else if (Math.Max(source.ByteCount, tensor.Info.ByteCount) > Array.MaxLength)
                wrong.Add($"{tensor.Name} {tensor.Info.ShapeText} is larger than 2 GB");
        }

        if (wrong.Count > 0)
            throw new InitializationException($"{Text}: {List(wrong, "; ")}; skip such tensors, or decide them by a later rule");
    }

    private void RequireCoverage(int found, List<PlannedTensor> missing, KeyMapResult map)
    {
        var wanted = found + missing.Count;
        if (missing.Count == 0 || (found > 0 && (double)found / wanted >= Options.Require)) return;
        var required = (Options.Require * 100).ToString("0.##", CultureInfo.InvariantCulture);
        throw new InitializationException(
            $"{Text}: the checkpoint holds {found} of {wanted} tensors, {required} % are required; missing: "
            + List([.. missing.Select(tensor => tensor.Name)], ", ") + Hint(missing[0].Name, map));
    }

    // The usual cause is a prefix: one name that ends with the other gives it away.
    private static string Hint(string missing, KeyMapResult map)
    {
        foreach (var (key, target) in map.Pairs)
        {
            if (target.EndsWith("." + missing, StringComparison.Ordinal))
                return $"; the file has \"{key}\": strip the prefix \"{target[..^missing.Length]}\"";
            if (missing.EndsWith("." + target, StringComparison.Ordinal))
                return $"; the file has \"{key}\": add the prefix \"{missing[..^target.Length]}\"";
        }

        var hint = NearestNames.Hint(missing, map.Pairs.Select(pair => pair.Target));
        return hint.Length > 0
            ? hint.Replace("did you mean", "does the file call it", StringComparison.Ordinal)
            : $"; the file begins with \"{map.Pairs[0].Source}\"";
    }

    private (List<string> Unexpected, List<SkippedTensor> Skipped) LeftOver(
        PlanDecisions decisions,
        KeyMapResult map,
        Dictionary<PlannedTensor, TensorInfo> found,
        Dictionary<PlannedTensor, TensorInfo> other,
        HashSet<PlannedTensor> selected,
        HashSet<PlannedTensor> skip)
    {
        var unexpected = new List<string>();
        var skipped = new List<SkippedTensor>();
        foreach (var (key, name) in map.Pairs)
        {
            var tensor = decisions.Network.Find(name);
            if (tensor is null) unexpected.Add(key);
            else if (!found.TryGetValue(tensor, out var source)) skipped.Add(new SkippedTensor(key, name, Reason(tensor)));
            else if (source.Name != key) skipped.Add(
                new SkippedTensor(key, name, $"the same tensor as {tensor.Name}, which was read from {source.Name}"));
        }

        return (unexpected, skipped);

        string Reason(PlannedTensor tensor) =>
            !selected.Contains(tensor) ? $"outside \"{Into.Text}\""
            : skip.Contains(tensor) ? $"skipped as \"{Options.Skip}\""
            : other.TryGetValue(tensor, out var file)
                ? $"head \"{Options.Head}\" of another size, {file.ShapeText} in the file and {tensor.Info.ShapeText} in the network"
            : !tensor.Entry.Persistent ? "computed by the network, not kept in files"
            : $"decided by a later rule: {decisions.Of(tensor)!.Rule}";
    }

    private static string List(List<string> items, string separator) =>
        string.Join(separator, items.Take(Shown)) + (items.Count > Shown ? $"{separator}and {items.Count - Shown} more" : "");
}

/// <summary>A <see cref="LoadReport"/> before the checkpoint's content has been read.</summary>
internal sealed record PendingLoad(
    string Rule,
    Checkpoint Checkpoint,
    int Loaded,
    int Selected,
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unexpected,
    IReadOnlyList<SkippedTensor> Skipped,
    List<string> Remarks)
{
    public LoadReport Finish(string hash)
    {
        InitializationReport? parent = null;
        List<string> remarks = [.. Remarks];
        try
        {
            parent = ModelFile.ProvenanceOf(Checkpoint);
        }
        catch (InitializationException error)
        {
            remarks.Add(error.Message);
        }

        return new LoadReport(
            Rule, Path.GetFileName(Checkpoint.Source), hash, Loaded, Selected, Missing, Unexpected, Skipped, remarks, parent);
    }
}
