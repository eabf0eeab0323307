namespace Frostline.Checkpoints.Pickle;

// What a pickle may hold, besides null, bool, long, BigInteger, double, string, byte[] and the values of TorchValues.cs.

/// <summary>A Python tuple.</summary>
internal sealed record PickleTuple(object?[] Items);

/// <summary>A Python list.</summary>
internal sealed class PickleList
{
    public List<object?> Items { get; } = [];
}

/// <summary>A Python set or frozenset; a repeated item is kept, which no reader of these values minds.</summary>
internal sealed class PickleSet
{
    public List<object?> Items { get; } = [];
}

/// <summary>An object of an allowed class that is nothing but data, such as <c>argparse.Namespace</c>.</summary>
internal sealed class PickleObject(string type)
{
    /// <summary>The class, with its module.</summary>
    public string Type { get; } = type;

    /// <summary>What BUILD gave it: for most classes a dictionary of attributes.</summary>
    public object? State { get; set; }
}

/// <summary>A dict, OrderedDict, defaultdict or Counter: in the order in which keys first came.</summary>
internal sealed class PickleDict
{
    private readonly List<KeyValuePair<object?, object?>> _entries = [];
    private Dictionary<PickleKey, int>? _index;

    public IReadOnlyList<KeyValuePair<object?, object?>> Entries => _entries;

    public void Set(object? key, object? value)
    {
        _index ??= [];
        if (_index.TryGetValue(new PickleKey(key), out var at))
        {
            _entries[at] = new(key, value);
            return;
        }

        _index.Add(new PickleKey(key), _entries.Count);
        _entries.Add(new(key, value));
    }

    public bool TryGet(string key, out object? value)
    {
        var found = _index is not null && _index.TryGetValue(new PickleKey(key), out var at);
        value = found ? _entries[_index![new PickleKey(key)]].Value : null;
        return found;
    }
}

/// <summary>
/// A dictionary key. Simple values are equal by value, everything else by identity, so that no key can make a comparison
/// recurse; hashes are seeded anew in every process, so that no file can choose keys that collide.
/// </summary>
internal readonly struct PickleKey(object? value) : IEquatable<PickleKey>
{
    private readonly object? _value = value;

    public bool Equals(PickleKey other) => IsSimple(_value) ? Equals(_value, other._value) : ReferenceEquals(_value, other._value);

    public override bool Equals(object? obj) => obj is PickleKey other && Equals(other);

    public override int GetHashCode() => _value switch
    {
        null => 0,
        string text => text.GetHashCode(StringComparison.Ordinal),
        long number => HashCode.Combine((int)number, (int)(number >> 32)),
        double number => HashCode.Combine((int)BitConverter.DoubleToInt64Bits(number), (int)(BitConverter.DoubleToInt64Bits(number) >> 32)),
        bool or System.Numerics.BigInteger => HashCode.Combine(_value),
        _ => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(_value),
    };

    private static bool IsSimple(object? value) => value is null or string or long or double or bool or System.Numerics.BigInteger;
}
