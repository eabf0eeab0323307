using System.Globalization;
using System.Text;

namespace Frostline.Initialization;

/// <summary>The initializers by name, as recipes and reports write them.</summary>
public static class Initializers
{
    private static readonly SortedDictionary<string, (string Summary, Func<InitializerSettings, Initializer> Create)> Entries =
        new(StringComparer.Ordinal)
        {
            ["constant"] = ("every element is one value: value", s => new Constant(s.Number("value"))),
            ["zeros"] = ("every element is 0", _ => Constant.Zeros),
            ["ones"] = ("every element is 1", _ => Constant.Ones),
            [Uniform.Id] = ("uniform: low (0), high (1)", s => new Uniform(s.Number("low", 0), s.Number("high", 1))),
            [Normal.Id] = ("normal: mean (0), deviation (1)", s => new Normal(s.Number("mean", 0), s.Number("deviation", 1))),
            [TruncatedNormal.Id] = (
                "normal, cut off: mean (0), deviation (1), low (-2), high (2)",
                s => new TruncatedNormal(
                    s.Number("mean", 0), s.Number("deviation", 1), s.Number("low", -2), s.Number("high", 2))),
            [XavierUniform.Id] = ("Glorot and Bengio's, uniform: gain (1)", s => new XavierUniform(s.Number("gain", 1))),
            [XavierNormal.Id] = ("Glorot and Bengio's, normal: gain (1)", s => new XavierNormal(s.Number("gain", 1))),
            [KaimingUniform.Id] = (
                "He's, uniform: fan (in), nonlinearity (leaky-relu), slope (0)",
                s => new KaimingUniform(
                    s.Choice("fan", FanMode.In), s.Choice("nonlinearity", Nonlinearity.LeakyRelu), s.Number("slope", 0))),
            [KaimingNormal.Id] = (
                "He's, normal: fan (in), nonlinearity (leaky-relu), slope (0)",
                s => new KaimingNormal(
                    s.Choice("fan", FanMode.In), s.Choice("nonlinearity", Nonlinearity.LeakyRelu), s.Number("slope", 0))),
            [FanInBias.Id] = ("uniform within 1 / sqrt(fan in of the weight beside it)", _ => new FanInBias()),
            [PriorProbability.Id] = (
                "the logit of a probability: probability (0.01)", s => new PriorProbability(s.Number("probability", 0.01))),
            [Orthogonal.Id] = ("orthonormal rows or columns: gain (1)", s => new Orthogonal(s.Number("gain", 1))),
            [Dirac.Id] = ("the identity as a convolution: groups (1)", s => new Dirac(s.Whole("groups", 1))),
            [IdentityKernel.Id] = (
                "the identity as a deformable convolution: groups (1), scale (1)",
                s => new IdentityKernel(s.Whole("groups", 1), s.Number("scale", 1))),
            [Eye.Id] = ("the identity matrix", _ => new Eye()),
            [Sparse.Id] = (
                "normal with zeros in each column: sparsity, deviation (0.01)",
                s => new Sparse(s.Number("sparsity"), s.Number("deviation", 0.01))),
        };

    /// <summary>All names, sorted, each with a line that says what it is and lists its settings with their defaults.</summary>
    public static IReadOnlyList<(string Name, string Summary)> All =>
        [.. Entries.Select(entry => (entry.Key, entry.Value.Summary))];

    /// <summary>Creates an initializer.</summary>
    /// <param name="name">Its name, in kebab-case.</param>
    /// <param name="settings">Its settings by key, as text; those that are left out have their defaults; null for none.</param>
    /// <exception cref="InitializationException">
    /// The name or a key is unknown, a key that is needed is missing, or a value cannot be read.
    /// </exception>
    public static Initializer Create(string name, IReadOnlyDictionary<string, string>? settings = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!Entries.TryGetValue(name, out var entry))
            throw new InitializationException($"there is no initializer \"{name}\"{NearestNames.Hint(name, Entries.Keys)}");
        var reader = new InitializerSettings(name, settings ?? new Dictionary<string, string>(StringComparer.Ordinal));
        var initializer = entry.Create(reader);
        reader.RequireAllRead();
        return initializer;
    }

    /// <summary>Creates an initializer from the text that <see cref="Initializer.ToString"/> gives.</summary>
    /// <param name="text">The name, followed by <c>(key: value, …)</c> where it has settings.</param>
    /// <exception cref="InitializationException">The text is not of this form, or as for <see cref="Create"/>.</exception>
    public static Initializer Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var open = text.IndexOf('(', StringComparison.Ordinal);
        if (open < 0) return Create(text.Trim());
        if (!text.TrimEnd().EndsWith(')'))
            throw new InitializationException($"\"{text}\" is not an initializer: write name or name(key: value, ...)");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        var inside = text.TrimEnd()[(open + 1)..^1];
        foreach (var part in inside.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = part.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0 || !settings.TryAdd(part[..colon].Trim(), part[(colon + 1)..].Trim()))
                throw new InitializationException($"\"{part}\" in \"{text}\" is not a setting: write each once, as key: value");
        }

        return Create(text[..open].Trim(), settings);
    }
}

/// <summary>Reads an initializer's settings from text and complains about those that nothing reads.</summary>
internal sealed class InitializerSettings(string initializer, IReadOnlyDictionary<string, string> settings)
{
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    /// <summary>A member of an enumeration in kebab-case: <c>LeakyRelu</c> is <c>leaky-relu</c>.</summary>
    public static string Text<T>(T value)
        where T : struct, Enum
    {
        var text = new StringBuilder();
        foreach (var letter in value.ToString())
        {
            if (char.IsUpper(letter) && text.Length > 0) text.Append('-');
            text.Append(char.ToLowerInvariant(letter));
        }

        return text.ToString();
    }

    public double Number(string key, double? otherwise = null)
    {
        _read.Add(key);
        if (!settings.TryGetValue(key, out var text))
            return otherwise ?? throw new InitializationException($"{initializer} needs a setting: {key}: NUMBER");
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new InitializationException($"{initializer}: {key} \"{text}\" is not a number");
    }

    public int Whole(string key, int otherwise)
    {
        var value = Number(key, otherwise);
        return value == Math.Floor(value) && Math.Abs(value) <= int.MaxValue
            ? (int)value
            : throw new InitializationException($"{initializer}: {key} \"{settings[key]}\" is not a whole number");
    }

    public T Choice<T>(string key, T otherwise)
        where T : struct, Enum
    {
        _read.Add(key);
        if (!settings.TryGetValue(key, out var text)) return otherwise;
        foreach (var value in Enum.GetValues<T>())
            if (Text(value) == text) return value;
        var names = Enum.GetValues<T>().Select(Text).ToList();
        throw new InitializationException(
            $"{initializer}: {key} \"{text}\" is not one of {string.Join(", ", names)}{NearestNames.Hint(text, names)}");
    }

    public void RequireAllRead()
    {
        foreach (var key in settings.Keys)
            if (!_read.Contains(key)) throw new InitializationException(
                $"{initializer} has no setting \"{key}\"{NearestNames.Hint(key, _read)}");
    }
}
