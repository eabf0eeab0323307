using System.Diagnostics.CodeAnalysis;
using Frostline.Training.Recipes;

namespace Frostline.Training.Registration;

/// <summary>
/// The things of one kind that a recipe can name. Each has an options type: its public settable properties are the keys that
/// a recipe may write beside <c>name:</c>, in kebab-case, with the property's initial value as default and its doc-comment as
/// description.
/// </summary>
/// <typeparam name="T">What is created.</typeparam>
public sealed class Catalog<T> : ICatalog
{
    private readonly Dictionary<string, CatalogEntry<T>> _entries = new(StringComparer.Ordinal);

    /// <summary>Creates an empty catalogue.</summary>
    /// <param name="kind">What its entries are called in messages, for example <c>network</c>.</param>
    public Catalog(string kind) => Kind = kind;

    /// <summary>What the entries are called in messages.</summary>
    public string Kind { get; }

    /// <summary>All entries, ordered by name.</summary>
    public IReadOnlyList<CatalogEntry<T>> Entries => [.. _entries.Values.OrderBy(e => e.Name, StringComparer.Ordinal)];

    Type ICatalog.ThingType => typeof(T);

    IReadOnlyList<CatalogItemShape> ICatalog.Shapes =>
        [.. Entries.Select(e => new CatalogItemShape(e.Name, e.Summary, e.OptionsType))];

    CatalogItem ICatalog.Bind(
        string name, object options, RecipePosition position, IReadOnlyList<(string Text, RecipePosition Position)> texts) =>
        new CatalogItem<T>(_entries[name], options) { Position = position, OptionTexts = texts };

    /// <summary>Adds an entry.</summary>
    /// <param name="name">The name in recipes, in kebab-case.</param>
    /// <param name="summary">One line for help and the recipe's schema.</param>
    /// <param name="create">Creates the thing from its options.</param>
    /// <typeparam name="TOptions">The options; a class with a parameterless constructor.</typeparam>
    /// <exception cref="FrostlineException">The name is taken.</exception>
    public void Register<TOptions>(string name, string summary, Func<TOptions, BuildContext, T> create)
        where TOptions : class, new()
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(create);
        if (typeof(TOptions).GetProperty("Name") is { SetMethod.IsPublic: true })
            throw new ArgumentException($"{typeof(TOptions)} has a key \"name\", which recipes need for the {Kind}'s own name", nameof(create));
        var entry = new CatalogEntry<T>(name, summary, typeof(TOptions), (options, context) => create((TOptions)options, context));
        if (!_entries.TryAdd(name, entry))
            throw new FrostlineException($"the {Kind} \"{name}\" is registered twice; give one of them another name");
    }

    /// <summary>Finds an entry.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out CatalogEntry<T>? entry) => _entries.TryGetValue(name, out entry);

    /// <summary>Names an entry in code, as a recipe does in YAML.</summary>
    /// <param name="name">The entry's name.</param>
    /// <param name="options">An instance of its options type; null for all defaults.</param>
    /// <exception cref="FrostlineException">There is no such entry, or the options are of another type.</exception>
    public CatalogItem<T> Item(string name, object? options = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!TryGet(name, out var entry))
            throw new FrostlineException($"there is no {Kind} \"{name}\"{NearestNames.Hint(name, _entries.Keys)}");
        options ??= Activator.CreateInstance(entry.OptionsType)!;
        if (!entry.OptionsType.IsInstanceOfType(options))
            throw new FrostlineException($"the {Kind} \"{name}\" takes options of {entry.OptionsType}, not of {options.GetType()}");
        return new CatalogItem<T>(entry, options);
    }
}

/// <summary>One thing that a recipe can name.</summary>
/// <param name="Name">The name in recipes.</param>
/// <param name="Summary">One line for help and the recipe's schema.</param>
/// <param name="OptionsType">The class whose properties are the entry's keys.</param>
/// <param name="Create">Creates the thing from an instance of the options type.</param>
/// <typeparam name="T">What is created.</typeparam>
public sealed record CatalogEntry<T>(string Name, string Summary, Type OptionsType, Func<object, BuildContext, T> Create);

/// <summary>Options of things that have none.</summary>
public sealed class NoOptions;

/// <summary>
/// Marks the property that a bare value sets: with it on <c>Size</c>, <c>resize: 256</c> means <c>resize: { size: 256 }</c>.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ShorthandAttribute : Attribute;

/// <summary>Marks a property that a recipe has to give.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class RequiredKeyAttribute : Attribute;
