using Frostline.Modules;
using Frostline.Staging;
using Frostline.Training.Jobs;
using TorchSharp;

namespace Frostline.Training.Features;

/// <summary>Has an engine compute the features of a batch that are not stored, stores them, and makes tensors of all. For the training thread.</summary>
internal static class FeatureCompletion
{
    /// <summary>The most rows that are computed at once: with more the memory grows, and not the speed.</summary>
    internal const int MostAtOnce = 8;

    /// <summary>Completes a batch.</summary>
    /// <param name="features">What the loader left; its buffers are filled.</param>
    /// <param name="engine">Computes the prefix.</param>
    /// <returns>
    /// The features as float32 by name, [rows, ...], owned by the caller's dispose scope; and on how many rows the engine was run. Computed ones
    /// are rounded as stored ones are, so that an epoch does not depend on which they are.
    /// </returns>
    /// <exception cref="FrostlineException">The engine's results have other shapes than the store's records.</exception>
    public static (IReadOnlyDictionary<string, torch.Tensor> Features, int Computed) Complete(HostFeatures features, IPrefixEngine engine)
    {
        var computed = 0;
        if (features.Missing.Count > 0)
        {
            // What a batch before this one has computed meanwhile is stored by now.
            List<int> missing = [.. Enumerable.Range(0, features.Missing.Count).Where(i => !TryRead(features, features.Missing[i]))];
            computed = missing.Count;
            if (computed > 0) Compute(features, missing, engine);
            foreach (var (row, from) in features.Repeats) Repeat(features, row, from);
        }

        return (Tensors(features), computed);
    }

    private static bool TryRead(HostFeatures features, int row)
    {
        var (store, key) = (features.Cache.Store, features.Keys[row]);
        return store.Contains(key) && store.TryRead(key, [.. Enumerable.Range(0, features.Values.Length).Select(i => RowOf(features, i, row))]);
    }

    private static void Compute(HostFeatures features, List<int> missing, IPrefixEngine engine)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var inputs = HostTensors.Of(features.Inputs!, torch.CPU);
        // In parts of nearly equal size: libtorch computes a single row in another order than the same row among others.
        var parts = (missing.Count + MostAtOnce - 1) / MostAtOnce;
        for (var part = 0; part < parts; part++)
        {
            var (from, end) = (missing.Count * part / parts, missing.Count * (part + 1) / parts);
            Compute(features, missing[from..end], inputs, engine);
        }
    }

    private static void Compute(HostFeatures features, List<int> missing, Dictionary<string, torch.Tensor> inputs, IPrefixEngine engine)
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.tensor(missing.ConvertAll(i => (long)i), torch.int64);
        var outputs = engine.Run(inputs.ToDictionary(input => input.Key, input => input.Value.index_select(0, rows), StringComparer.Ordinal));
        var store = features.Cache.Store;
        var bytes = new ReadOnlyMemory<byte>[store.Schema.Tensors.Count];
        for (var i = 0; i < bytes.Length; i++)
        {
            var record = store.Schema.Tensors[i];
            var output = outputs[record.Name];
            if (output.shape is not [var count, .. var shape] || count != missing.Count || !shape.SequenceEqual(record.Shape))
                throw new FrostlineException($"\"{record.Name}\" became [{string.Join(", ", output.shape)}] for {missing.Count} rows, and {record.ShapeText} "
                    + "is stored of each; let the transforms end in one size, or write cache: off");
            var buffer = TensorBytes.Read(output.to(TensorBytes.ToScalarType(record.Type)));
            bytes[i] = buffer;
            var size = buffer.Length / missing.Count;
            for (var m = 0; m < missing.Count; m++) buffer.AsSpan(m * size, size).CopyTo(RowOf(features, i, features.Missing[missing[m]]).Span);
        }

        store.WriteBatch([.. missing.Select(m => features.Keys[features.Missing[m]])], bytes);
    }

    private static void Repeat(HostFeatures features, int row, int from)
    {
        for (var i = 0; i < features.Values.Length; i++) RowOf(features, i, from).Span.CopyTo(RowOf(features, i, row).Span);
    }

    private static Memory<byte> RowOf(HostFeatures features, int tensor, int row)
    {
        var size = features.Values[tensor].Length / features.Keys.Length;
        return features.Values[tensor].AsMemory(row * size, size);
    }

    private static Dictionary<string, torch.Tensor> Tensors(HostFeatures features)
    {
        var tensors = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        for (var i = 0; i < features.Values.Length; i++)
        {
            var record = features.Cache.Store.Schema.Tensors[i];
            var tensor = torch.empty([features.Keys.Length, .. record.Shape], TensorBytes.ToScalarType(record.Type), torch.CPU);
            TensorBytes.Write(tensor, features.Values[i]);
            tensors[record.Name] = tensor.dtype == torch.float32 ? tensor : tensor.to(torch.float32, disposeAfter: true);
        }

        return tensors;
    }
}
