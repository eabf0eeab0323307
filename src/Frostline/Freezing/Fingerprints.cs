using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Modules;
using Frostline.Native;

namespace Frostline.Freezing;

/// <summary>What a tensor is, down to the last bit, in a few bytes.</summary>
/// <param name="Type">The type of its elements, in libtorch's word, for example <c>Float32</c>.</param>
/// <param name="Shape">Its shape as it is printed: <c>[64, 3, 7, 7]</c>.</param>
/// <param name="Hash">XXH128 of its bytes in row-major order, 32 hexadecimal digits.</param>
public sealed record Fingerprint(string Type, string Shape, string Hash);

/// <summary>
/// The fingerprints of all parameters and buffers of a network at one moment, those that are not persistent included. Equal
/// fingerprints mean equal bits: zero and minus zero differ, and so do two NaNs with different payloads. XXH128 is no
/// protection against forgery, only against change.
/// </summary>
public sealed class Fingerprints
{
    /// <summary>The number of bytes from which on hashing uses several threads.</summary>
    private const long ParallelFrom = 4 << 20;

    private readonly IReadOnlyDictionary<string, Fingerprint> _byName;

    private Fingerprints(IReadOnlyDictionary<string, Fingerprint> byName) => _byName = byName;

    /// <summary>The names, the first one of each tensor, in ordinal order.</summary>
    public IEnumerable<string> Names => _byName.Keys.Order(StringComparer.Ordinal);

    /// <summary>The fingerprint of a tensor, or null where there was none of this name.</summary>
    public Fingerprint? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Takes the fingerprints of a network, on all physical cores.</summary>
    public static Fingerprints Of(TorchSharp.torch.nn.Module network) => Of(ModuleTree.Of(network));

    /// <summary>The fingerprints as JSON on one line, for runs that are resumed.</summary>
    public string ToJson() => JsonSerializer.Serialize(new SortedDictionary<string, Fingerprint>(_byName.ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal));

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="FreezeException">The text is something else.</exception>
    public static Fingerprints FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            var byName = JsonSerializer.Deserialize<Dictionary<string, Fingerprint>>(json);
            if (byName is not null && byName.Values.All(print => print is { Type: not null, Shape: not null, Hash: not null }))
                return new Fingerprints(new Dictionary<string, Fingerprint>(byName, StringComparer.Ordinal));
        }
        catch (JsonException exception)
        {
            throw new FreezeException("the fingerprints cannot be read: no JSON of Frostline's; start the run anew", exception);
        }

        throw new FreezeException("the fingerprints cannot be read: an entry lacks type, shape or hash; start the run anew");
    }

    internal static Fingerprints Of(ModuleTree tree)
    {
        var prints = new ConcurrentDictionary<string, Fingerprint>(StringComparer.Ordinal);
        var entries = tree.DistinctTensors.ToList();
        Parallel.ForEach(
            entries,
            new ParallelOptions { MaxDegreeOfParallelism = ThreadsFor(entries.Sum(entry => TensorBytes.Count(entry.Tensor))) },
            entry =>
            {
                var hash = new XxHash128();
                TensorBytes.Use(entry.Tensor, hash.Append);
                prints[entry.Name] = new Fingerprint(entry.Tensor.dtype.ToString(), $"[{string.Join(", ", entry.Tensor.shape)}]", HexOf(hash));
            });
        return new Fingerprints(prints);
    }

    /// <summary>Fingerprints of the tensors of a file, of those that are wanted and present, on all physical cores.</summary>
    internal static Fingerprints Of(Checkpoint checkpoint, IEnumerable<string> names) =>
        Of(checkpoint, names.Select(name => KeyValuePair.Create(name, name)));

    /// <summary>As <see cref="Of(Checkpoint, IEnumerable{string})"/>, of tensors that have another name in the file.</summary>
    /// <param name="checkpoint">The file.</param>
    /// <param name="keys">The names that the fingerprints get, each with the name in the file.</param>
    internal static Fingerprints Of(Checkpoint checkpoint, IEnumerable<KeyValuePair<string, string>> keys)
    {
        var prints = new ConcurrentDictionary<string, Fingerprint>(StringComparer.Ordinal);
        var wanted = new List<(string Name, TensorInfo Tensor)>();
        foreach (var (name, key) in keys)
            if (checkpoint.TryFind(key, out var tensor)) wanted.Add((name, tensor));
        try
        {
            Parallel.ForEach(
                wanted,
                new ParallelOptions { MaxDegreeOfParallelism = ThreadsFor(wanted.Sum(entry => entry.Tensor.ByteCount)) },
                entry =>
                {
                    var hash = new XxHash128();
                    using var stream = new ExactStream(entry.Tensor, (bytes, _) => hash.Append(bytes));
                    checkpoint.CopyTo(entry.Tensor, stream);
                    prints[entry.Name] = Of(entry.Tensor, HexOf(hash));
                });
        }
        catch (AggregateException error)
        {
            // Damaged bytes; one reason is enough.
            ExceptionDispatchInfo.Throw(error.InnerExceptions[0]);
        }

        return new Fingerprints(prints);
    }

    /// <summary>These fingerprints, but those of some tensors from elsewhere.</summary>
    internal Fingerprints With(IEnumerable<string> names, Fingerprints other)
    {
        var merged = new Dictionary<string, Fingerprint>(_byName, StringComparer.Ordinal);
        foreach (var name in names)
            if (other.Find(name) is { } print) merged[name] = print;
        return new Fingerprints(merged);
    }

    /// <summary>These fingerprints and that of one more tensor.</summary>
    /// <param name="tensor">Its name, type and shape.</param>
    /// <param name="bytes">Its elements, row-major.</param>
    internal Fingerprints With(TensorInfo tensor, ReadOnlySpan<byte> bytes) =>
        new(new Dictionary<string, Fingerprint>(_byName, StringComparer.Ordinal) { [tensor.Name] = Of(tensor, HashOf(bytes)) });

    /// <summary>The hash of a tensor's bytes in row-major order, as a fingerprint has it.</summary>
    internal static string HashOf(ReadOnlySpan<byte> bytes)
    {
        var hash = new XxHash128();
        hash.Append(bytes);
        return HexOf(hash);
    }

    private static Fingerprint Of(TensorInfo tensor, string hash) => new(TensorBytes.ToScalarType(tensor.Type).ToString(), tensor.ShapeText, hash);

    // More threads cost more than they save on little data.
    private static int ThreadsFor(long bytes) => bytes < ParallelFrom ? 1 : Processors.PhysicalCores;

    private static string HexOf(XxHash128 hash) => Convert.ToHexStringLower(hash.GetCurrentHash());
}
