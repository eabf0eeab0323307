using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>A key of a recipe: one settable property of a settings or options type.</summary>
internal sealed class OptionKey
{
    /// <summary>Reads a property's attributes.</summary>
    public OptionKey(PropertyInfo property, object? fallback)
    {
        Property = property;
        Default = fallback;
        Name = Kebab(property.Name);
        IsNullable = Nullable.GetUnderlyingType(property.PropertyType) is not null
            || new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable;
        IsLeading = property.IsDefined(typeof(LeadingKeyAttribute));
        IsRequired = IsLeading
            || property.IsDefined(typeof(RequiredKeyAttribute))
            || property.IsDefined(typeof(RequiredMemberAttribute));
        IsShorthand = property.IsDefined(typeof(ShorthandAttribute));
        IsPercentage = property.IsDefined(typeof(PercentageAttribute));
        IsMultiplier = property.IsDefined(typeof(MultiplierAttribute));
        Range = property.GetCustomAttribute<RangeAttribute>();
        FewestItems = property.GetCustomAttribute<MinLengthAttribute>()?.Length ?? 0;
        DefaultItem = property.GetCustomAttribute<DefaultItemAttribute>()?.Name;
    }

    /// <summary>The key as recipes write it.</summary>
    public string Name { get; }

    /// <summary>The property that it sets.</summary>
    public PropertyInfo Property { get; }

    /// <summary>The property's type.</summary>
    public Type Type => Property.PropertyType;

    /// <summary>The property's value where the key is absent.</summary>
    public object? Default { get; }

    /// <summary>Whether the key may be written with nothing behind it.</summary>
    public bool IsNullable { get; }

    /// <summary>Whether the key has to be written.</summary>
    public bool IsRequired { get; }

    /// <summary>Whether the key tells which kind of rule a mapping is.</summary>
    public bool IsLeading { get; }

    /// <summary>Whether a bare value sets this key.</summary>
    public bool IsShorthand { get; }

    /// <summary>Whether <c>50%</c> may be written for 0.5.</summary>
    public bool IsPercentage { get; }

    /// <summary>Whether the number is a factor, written <c>0.1x</c>.</summary>
    public bool IsMultiplier { get; }

    /// <summary>The range of the number, or of each number of a list; null for any.</summary>
    public RangeAttribute? Range { get; }

    /// <summary>How many items a list has at least.</summary>
    public int FewestItems { get; }

    /// <summary>The catalogue entry that an absent key stands for.</summary>
    public string? DefaultItem { get; }

    /// <summary>A C# name in kebab-case: <c>LearningRate</c> is <c>learning-rate</c>.</summary>
    public static string Kebab(string name)
    {
        var text = new StringBuilder(name.Length + 4);
        for (var i = 0; i < name.Length; i++)
        {
            var starts = char.IsAsciiLetterUpper(name[i]) && i > 0
                && (!char.IsAsciiLetterUpper(name[i - 1]) || (i + 1 < name.Length && char.IsAsciiLetterLower(name[i + 1])));
            if (starts) text.Append('-');
            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    /// <summary>What is wrong with a number, to be read after it; null where it is in range.</summary>
    public string? OutOfRange(double number)
    {
        if (Range is null) return null;
        var least = Convert.ToDouble(Range.Minimum, CultureInfo.InvariantCulture);
        var most = Convert.ToDouble(Range.Maximum, CultureInfo.InvariantCulture);
        var inside = (Range.MinimumIsExclusive ? number > least : number >= least) && (Range.MaximumIsExclusive
            ? number < most
            : number <= most);
        return inside ? null : $"is out of range: {Name} is {DescribeRange()}";
    }

    /// <summary>The range in words.</summary>
    public string DescribeRange()
    {
        if (Range is null) return "any number";
        var suffix = IsMultiplier ? "x" : "";
        string Number(object bound) => string.Create(CultureInfo.InvariantCulture, $"{bound}{suffix}");
        var least = Convert.ToDouble(Range.Minimum, CultureInfo.InvariantCulture);
        var most = Convert.ToDouble(Range.Maximum, CultureInfo.InvariantCulture);
        var lower = Range.MinimumIsExclusive ? $"above {Number(Range.Minimum)}" : $"at least {Number(Range.Minimum)}";
        var upper = Range.MaximumIsExclusive ? $"below {Number(Range.Maximum)}" : $"at most {Number(Range.Maximum)}";
        var bounded = most < int.MaxValue;
        if (least <= int.MinValue) return bounded ? upper : "any number";
        return bounded ? $"{lower} and {upper}" : lower;
    }
}

/// <summary>The keys of a settings or options type.</summary>
internal sealed class OptionContract
{
    private static readonly ConcurrentDictionary<Type, OptionContract> Known = new();

    private OptionContract(Type type)
    {
        Type = type;
        var sample = Activator.CreateInstance(type)
            ?? throw new InvalidOperationException($"{type} cannot be created");
        Keys = [.. Properties(type).Select(property => new OptionKey(property, property.GetValue(sample)))];
        var twice = Keys.GroupBy(key => key.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1);
        if (twice is not null) throw new InvalidOperationException($"{type} has two properties for the key {twice.Key}");
        Leading = Keys.FirstOrDefault(key => key.IsLeading);
    }

    /// <summary>The type.</summary>
    public Type Type { get; }

    /// <summary>Its keys: the leading one first, then in the order of declaration, base classes' last.</summary>
    public IReadOnlyList<OptionKey> Keys { get; }

    /// <summary>The key that tells which kind of rule a mapping is, or null.</summary>
    public OptionKey? Leading { get; }

    /// <summary>The contract of a type; it needs a parameterless constructor.</summary>
    public static OptionContract Of(Type type) => Known.GetOrAdd(type, static t => new OptionContract(t));

    /// <summary>The kinds of a rule type, or null where the type is an ordinary class.</summary>
    public static IReadOnlyList<OptionContract>? KindsOf(Type type) =>
        type.GetCustomAttribute<RuleKindsAttribute>(inherit: false) is { } kinds ? [.. kinds.Kinds.Select(Of)] : null;

    /// <summary>The key of a name, or null.</summary>
    public OptionKey? Find(string name) => Keys.FirstOrDefault(key => key.Name == name);

    /// <summary>
    /// The key that a bare value sets: a list where the value is one and there is such a key, else a single value.
    /// </summary>
    public OptionKey? ShorthandFor(RecipeNode value)
    {
        var candidates = Keys.Where(key => key.IsShorthand).ToList();
        var wantsList = value is ListNode;
        return candidates.FirstOrDefault(key => ValueTypes.ItemOf(key.Type) is not null == wantsList)
            ?? candidates.FirstOrDefault();
    }

    private static IEnumerable<PropertyInfo> Properties(Type type)
    {
        var settable = type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => p.SetMethod is { IsPublic: true } && p.GetMethod is not null && p.GetIndexParameters().Length == 0)
            .Where(p => !p.IsDefined(typeof(NotAKeyAttribute)));
        return settable
            .OrderBy(p => p.IsDefined(typeof(LeadingKeyAttribute)) ? 0 : 1)
            .ThenBy(p => Depth(type, p.DeclaringType!))
            .ThenBy(p => p.MetadataToken);
    }

    private static int Depth(Type type, Type declaring)
    {
        var depth = 0;
        for (var at = type; at is not null && at != declaring; at = at.BaseType) depth++;
        return depth;
    }
}

/// <summary>Questions about the types of values.</summary>
internal static class ValueTypes
{
    private static readonly Type[] ListTypes =
        [typeof(IReadOnlyList<>), typeof(IReadOnlyCollection<>), typeof(IEnumerable<>), typeof(IList<>), typeof(List<>)];

    private static readonly Type[] MapTypes = [typeof(IReadOnlyDictionary<,>), typeof(IDictionary<,>), typeof(Dictionary<,>)];

    /// <summary>The item type of a list type, or null where the type is no list.</summary>
    public static Type? ItemOf(Type type)
    {
        if (type.IsArray) return type.GetElementType();
        if (!type.IsGenericType) return null;
        return ListTypes.Contains(type.GetGenericTypeDefinition()) ? type.GetGenericArguments()[0] : null;
    }

    /// <summary>The value type of a mapping from text, or null where the type is no such mapping.</summary>
    public static Type? MappedOf(Type type)
    {
        if (!type.IsGenericType) return null;
        var arguments = type.GetGenericArguments();
        return MapTypes.Contains(type.GetGenericTypeDefinition()) && arguments[0] == typeof(string) ? arguments[1] : null;
    }

    /// <summary>The kind of thing of a <see cref="CatalogItem{T}"/>, or null.</summary>
    public static Type? ThingOf(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(CatalogItem<>) ? type.GetGenericArguments()[0] : null;

    /// <summary>The values of an enum as recipes write them.</summary>
    public static IReadOnlyList<string> NamesOf(Type type) => [.. Enum.GetNames(type).Select(OptionKey.Kebab)];

    /// <summary>Whether values of the type are single values.</summary>
    public static bool IsScalar(Type type) =>
        type == typeof(string) || type == typeof(bool) || IsWhole(type) || IsReal(type) || type.IsEnum;

    /// <summary>Whether values of the type are mappings with the type's properties as keys.</summary>
    public static bool IsObject(Type type) =>
        type.IsClass && !type.IsAbstract && !IsScalar(type)
        && ThingOf(type) is null && ItemOf(type) is null && MappedOf(type) is null;

    /// <summary>Whether values of the type are numbers without a fraction.</summary>
    public static bool IsWhole(Type type) => type == typeof(int) || type == typeof(long);

    /// <summary>Whether values of the type are numbers with a fraction.</summary>
    public static bool IsReal(Type type) => type == typeof(double) || type == typeof(float);
}
