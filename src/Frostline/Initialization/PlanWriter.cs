using Frostline.Checkpoints;
using Frostline.Modules;

namespace Frostline.Initialization;

/// <summary>Carries out what a plan has decided, and reports it.</summary>
internal sealed class PlanWriter(PlanDecisions decisions, long seed, bool write)
{
    // How many elements are drawn at once: as float64 and stored they stay well below 100 MB.
    private const int BatchElements = 4 << 20;
    private const int PieceElements = 1 << 16;

    private static readonly TensorStatistics s_unknown = new(double.NaN, double.NaN, double.NaN, double.NaN);

    private readonly Dictionary<PlannedTensor, Origin> _origins = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Checkpoint, string> _hashes = new(ReferenceEqualityComparer.Instance);
    private byte[] _bytes = [];
    private byte[] _castBytes = [];

    public InitializationReport Run()
    {
        var checkpoints = decisions.Loads.Select(load => load.Checkpoint).Distinct<Checkpoint>(ReferenceEqualityComparer.Instance).ToList();
        // A damaged file shows before the first value is written.
        foreach (var checkpoint in checkpoints) checkpoint.Verify();
        if (write) Materialize();
        foreach (var checkpoint in checkpoints) Load(checkpoint);
        var tensors = decisions.Network.Tensors;
        Draw(tensors);
        foreach (var tensor in tensors)
        {
            if (decisions.Of(tensor)!.Assignment is SetAssignment set) Set(tensor, set);
            else if (decisions.Of(tensor)!.Assignment is KeepAssignment) _origins[tensor] = new Origin.Kept(decisions.Network.IsConstructedWithoutValue(tensor) ? Origin.Kept.WithoutValue : null);
        }

        foreach (var tensor in tensors) Copy(tensor);
        return Report();
    }

    private void Materialize()
    {
        foreach (var tensor in decisions.Network.Tensors)
            if (DeferredTensor.IsDeferred(tensor.Entry.Tensor)) DeferredTensor.Materialize(tensor.Entry.Tensor);
    }

    private InitializationReport Report()
    {
        var entries = decisions.Network.Tree.Tensors.Select(entry =>
        {
            var tensor = decisions.Network.Find(entry.Name)!;
            return new TensorProvenance(
                entry.Name,
                entry.Kind,
                tensor.Info.Type,
                tensor.Info.Shape,
                decisions.Of(tensor)!.Rule,
                _origins[tensor],
                Persistent: entry.Persistent);
        });
        return new InitializationReport(
            seed, [.. entries], [.. decisions.Loads.Select(load => load.Finish(_hashes[load.Checkpoint]))]);
    }

    private void Load(Checkpoint checkpoint)
    {
        var loaded = decisions.Network.Tensors
            .Where(tensor => decisions.Of(tensor)!.Assignment is LoadAssignment load && load.Checkpoint == checkpoint).ToList();
        var targets = (write ? loaded : []).ToLookup(
            tensor => AssignmentOf(tensor).Source.Name, tensor => new LoadTarget(tensor, AssignmentOf(tensor).Adaptation), StringComparer.Ordinal);
        var loading = new CheckpointLoading(checkpoint, targets);
        var hash = _hashes[checkpoint] = loading.Run();
        foreach (var tensor in loaded)
        {
            var (source, adaptation) = (AssignmentOf(tensor).Source, AssignmentOf(tensor).Adaptation);
            _origins[tensor] = new Origin.Loaded(
                Path.GetFileName(checkpoint.Source), source.Name, hash, source.Type == tensor.Info.Type ? null : source.Type, adaptation?.Text);
        }

        LoadAssignment AssignmentOf(PlannedTensor tensor) => (LoadAssignment)decisions.Of(tensor)!.Assignment;

        var remarks = decisions.Loads.First(pending => pending.Checkpoint == checkpoint).Remarks;
        foreach (var source in checkpoint.Tensors)
            if (loading.NotFinite.TryGetValue(source.Name, out var count)) remarks.Add($"{count} values of {source.Name} are not finite");
    }

    private void Write(PlannedTensor tensor, ReadOnlySpan<byte> bytes, TensorType type)
    {
        if (type != tensor.Info.Type)
        {
            var cast = Take(ref _castBytes, tensor.Info.ByteCount);
            Elements.Cast(bytes, type, cast, tensor.Info.Type);
            bytes = cast;
        }

        TensorBytes.Write(tensor.Entry.Tensor, bytes);
    }

    private void Draw(IReadOnlyList<PlannedTensor> tensors)
    {
        var batch = new List<(PlannedTensor Tensor, Initializer Initializer)>();
        long elements = 0;
        foreach (var tensor in tensors)
        {
            if (decisions.Of(tensor)!.Assignment is not DrawAssignment draw) continue;
            batch.Add((tensor, draw.Initializer));
            elements += tensor.Info.ElementCount;
            if (elements < BatchElements) continue;
            Draw(batch);
            batch.Clear();
            elements = 0;
        }

        Draw(batch);
    }

    // Values are computed side by side, in managed memory; only this thread touches libtorch.
    private void Draw(List<(PlannedTensor Tensor, Initializer Initializer)> batch)
    {
        var drawn = new (byte[] Bytes, TensorStatistics Statistics)[batch.Count];
        if (write) Parallel.For(0, batch.Count, i => drawn[i] = Values(batch[i].Tensor.Target, batch[i].Initializer));
        for (var i = 0; i < batch.Count; i++)
        {
            if (write) TensorBytes.Write(batch[i].Tensor.Entry.Tensor, drawn[i].Bytes);
            _origins[batch[i].Tensor] = new Origin.Drawn(
                batch[i].Initializer.ToString(), seed, write ? drawn[i].Statistics : s_unknown);
        }
    }

    private (byte[] Bytes, TensorStatistics Statistics) Values(InitializationTarget target, Initializer initializer)
    {
        var (type, count) = (target.Tensor.Type, checked((int)target.Tensor.ElementCount));
        var random = new CounterRandom(seed, target.Tensor.Name);
        var bytes = GC.AllocateUninitializedArray<byte>(count * type.Size());
        var moments = new Moments();
        var values = new double[initializer.IsElementwise ? Math.Min(count, PieceElements) : count];
        for (var start = 0; start < count; start += values.Length)
        {
            var piece = values.AsSpan(0, Math.Min(values.Length, count - start));
            initializer.Fill(target, piece, random);
            var stored = bytes.AsSpan(start * type.Size(), piece.Length * type.Size());
            Elements.FromDouble(piece, type, stored);
            // What is reported is what is stored, rounding included. Integers only come from constants, which are exact.
            if (Elements.IsFloat(type)) Elements.ToDouble(stored, type, piece);
            moments.Add(piece);
        }

        return (bytes, TensorStatistics.Of(moments));
    }

    private void Set(PlannedTensor tensor, SetAssignment set)
    {
        _origins[tensor] = new Origin.Set(set.Value, set.Reason);
        if (!write) return;
        var type = tensor.Info.Type;
        var bytes = Take(ref _bytes, tensor.Info.ByteCount);
        if (!bytes.IsEmpty)
        {
            Elements.FromDouble([set.Value], type, bytes[..type.Size()]);
            for (var filled = type.Size(); filled < bytes.Length; filled *= 2)
                bytes[..Math.Min(filled, bytes.Length - filled)].CopyTo(bytes[filled..]);
        }

        TensorBytes.Write(tensor.Entry.Tensor, bytes);
    }

    private void Copy(PlannedTensor tensor)
    {
        if (_origins.ContainsKey(tensor) || decisions.Of(tensor)!.Assignment is not CopyAssignment copy) return;
        Copy(copy.From);
        _origins[tensor] = new Origin.Copied(copy.From.Name, copy.Adaptation?.Text);
        if (!write) return;
        var bytes = Take(ref _bytes, copy.From.Info.ByteCount);
        TensorBytes.Read(copy.From.Entry.Tensor, bytes);
        if (copy.Adaptation is { } adaptation) TensorBytes.Write(tensor.Entry.Tensor, adaptation.Apply(bytes, copy.From.Info.Type, tensor.Info));
        else Write(tensor, bytes, copy.From.Info.Type);
    }

    private static Span<byte> Take(ref byte[] buffer, long count)
    {
        if (buffer.Length < count) buffer = GC.AllocateUninitializedArray<byte>(checked((int)count));
        return buffer.AsSpan(0, (int)count);
    }
}
