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
        var policies = new LoadPolicies(Text, network, selected, Options);
        var left = new Dictionary<PlannedTensor, TensorInfo>();
        var wanted = network.Tensors
            .Where(t => selected.Contains(t) && !policies.Skips(t) && t.Entry.Persistent && decisions.IsOpen(t)).ToList();

        var found = new Dictionary<PlannedTensor, FoundTensor>();
        var missing = new List<PlannedTensor>();
        foreach (var tensor in wanted)
        {
            if (tensor.Names.FirstOrDefault(keys.ContainsKey) is not { } name)
            {
                missing.Add(tensor);
                continue;
            }

            var source = Checkpoint.Find(keys[name]);
            if (policies.Leaves(tensor, source)) left.Add(tensor, source);
            else found.Add(tensor, new FoundTensor(source, name, policies.Adapt(tensor, source)));
        }

        RequireFit(found);
        var counters = CountersOfOldFile(network, missing, found);
        missing.RemoveAll(counters.Contains);
        RequireCoverage(found.Count, missing, map);

        foreach (var tensor in left.Keys) decisions.Leave(this, tensor);
        foreach (var (tensor, (source, _, adaptation)) in found)
            decisions.Add(this, tensor, new LoadAssignment(Checkpoint, source, adaptation));
        foreach (var tensor in counters)
            decisions.Add(
                this, tensor, SetAssignment.Checked(Text, tensor, 0, "the checkpoint is older than this counter and holds none"));
        List<string> remarks = [.. map.Remarks, .. policies.Remarks(found, left)];
        if (counters.Count > 0) remarks.Add($"the checkpoint holds no {Counter}; {counters.Count} of them set to 0");
        decisions.Add(new PendingLoad(
            Text,
            Checkpoint,
            [
                .. found.Select(pair => TensorLoad.Of(
                    LoadOutcome.Loaded, pair.Value.Source, pair.Key.Info, pair.Value.Name, pair.Value.Adaptation?.Text)),
                .. missing.Select(tensor => TensorLoad.Of(LoadOutcome.Missing, null, tensor.Info, tensor.Name)),
                .. LeftOver(decisions, map, found, left, selected, policies),
            ],
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
        PlannedNetwork network, List<PlannedTensor> missing, Dictionary<PlannedTensor, FoundTensor> found)
    {
        if (Checkpoint.Tensors.Any(tensor => tensor.Name.EndsWith(Counter, StringComparison.Ordinal))) return [];
        return [.. missing.Where(tensor =>
            tensor.Name.EndsWith(Counter, StringComparison.Ordinal)
            && network.Find(tensor.Name[..^Counter.Length] + "running_mean") is { } mean
            && found.ContainsKey(mean))];
    }

    private void RequireFit(Dictionary<PlannedTensor, FoundTensor> found)
    {
        var wrong = new List<string>();
        foreach (var (tensor, (source, _, adaptation)) in found)
        {
            if (adaptation is null && !source.Shape.SequenceEqual(tensor.Info.Shape))
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

    private IEnumerable<TensorLoad> LeftOver(
        PlanDecisions decisions,
        KeyMapResult map,
        Dictionary<PlannedTensor, FoundTensor> found,
        Dictionary<PlannedTensor, TensorInfo> left,
        HashSet<PlannedTensor> selected,
        LoadPolicies policies)
    {
        foreach (var (key, name) in map.Pairs)
        {
            var (file, tensor) = (Checkpoint.Find(key), decisions.Network.Find(name));
            if (tensor is null) yield return TensorLoad.Of(LoadOutcome.Unexpected, file, null, name);
            else if (!found.TryGetValue(tensor, out var taken)) yield return Skipped(Reason(tensor));
            else if (taken.Source.Name != key)
                yield return Skipped($"the same tensor as {tensor.Name}, which was read from {taken.Source.Name}");

            TensorLoad Skipped(string reason) => TensorLoad.Of(LoadOutcome.Skipped, file, tensor!.Info, name, reason);
        }

        string Reason(PlannedTensor tensor) =>
            !selected.Contains(tensor) ? $"outside \"{Into.Text}\""
            : policies.Skips(tensor) ? policies.Skipped
            : left.ContainsKey(tensor) ? policies.OfAnotherSize
            : !tensor.Entry.Persistent ? "computed by the network, not kept in files"
            : $"decided by a later rule: {decisions.Of(tensor)!.Rule}";
    }

    private static string List(List<string> items, string separator) =>
        string.Join(separator, items.Take(Shown)) + (items.Count > Shown ? $"{separator}and {items.Count - Shown} more" : "");
}

/// <summary>A <see cref="LoadReport"/> before the checkpoint's content has been read.</summary>
internal sealed record PendingLoad(string Rule, Checkpoint Checkpoint, IReadOnlyList<TensorLoad> Tensors, List<string> Remarks)
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

        return new LoadReport(Rule, Path.GetFileName(Checkpoint.Source), hash, Tensors, remarks, parent);
    }
}
