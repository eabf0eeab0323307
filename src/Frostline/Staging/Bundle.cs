namespace Frostline.Staging;

/// <summary>Ordered, named values: what one stage hands to another.</summary>
public sealed class Bundle
{
    private readonly Dictionary<string, Value> _values = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    /// <summary>Creates a bundle.</summary>
    /// <param name="values">Its values, in order.</param>
    /// <exception cref="ArgumentException">A name occurs twice.</exception>
    public Bundle(params IEnumerable<(string Name, Value Value)> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        foreach (var (name, value) in values)
        {
            if (string.IsNullOrEmpty(name) || value is null)
                throw new ArgumentException("a value of a bundle lacks its name, or a name its value", nameof(values));
            if (!_values.TryAdd(name, value)) throw new ArgumentException($"the value \"{name}\" occurs twice", nameof(values));
            _names.Add(name);
        }
    }

    /// <summary>The names, in order.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>The value of a name.</summary>
    /// <exception cref="FrostlineException">There is none; a body reads only what its stage declares.</exception>
    public Value this[string name] => _values.TryGetValue(name, out var value)
        ? value
        : throw new FrostlineException(
            $"a stage asks for \"{name}\", which it does not declare to read; it gets {string.Join(", ", _names)}");

    /// <summary>Whether there is a value of that name.</summary>
    public bool Contains(string name) => _values.ContainsKey(name);
}
