using Frostline.Training.Recipes;

namespace Frostline.Training.Registration;

/// <summary>A thing that a recipe names, with its options: <c>{ name: resnet18, classes: 10 }</c>.</summary>
public abstract class CatalogItem
{
    private protected CatalogItem(object options) => Options = options;

    /// <summary>The entry's name in its catalogue.</summary>
    public abstract string Name { get; }

    /// <summary>The options: an instance of the entry's options type.</summary>
    public object Options { get; }

    /// <summary>Where the recipe says it; null for an item that was made in code.</summary>
    public RecipePosition? Position { get; internal init; }

    /// <summary>Where the recipe says each option's text; empty for an item that was made in code.</summary>
    internal IReadOnlyList<(string Text, RecipePosition Position)> OptionTexts { get; init; } = [];
}

/// <summary>A thing of one kind that a recipe names, with its options.</summary>
/// <typeparam name="T">What is created.</typeparam>
public sealed class CatalogItem<T> : CatalogItem
{
    internal CatalogItem(CatalogEntry<T> entry, object options)
        : base(options) => Entry = entry;

    /// <summary>The catalogue's entry.</summary>
    public CatalogEntry<T> Entry { get; }

    /// <inheritdoc/>
    public override string Name => Entry.Name;

    /// <summary>Creates the thing.</summary>
    /// <param name="context">The folder that relative paths count from, the seed, the classes.</param>
    /// <exception cref="RecipeException">
    /// The thing cannot be created, for example because a file is missing; the message starts with the place in the recipe.
    /// </exception>
    public T Create(BuildContext context)
    {
        try
        {
            return Entry.Create(Options, context);
        }
        catch (FrostlineException exception) when (exception is not RecipeException && Position is not null)
        {
            // The message usually quotes the value that is wrong (a path, a name): point at the longest such value.
            var at = OptionTexts
                .Where(option => option.Text.Length > 1 && exception.Message.Contains(option.Text, StringComparison.Ordinal))
                .OrderByDescending(option => option.Text.Length)
                .Select(option => option.Position)
                .FirstOrDefault() ?? Position;
            throw new RecipeException(at, $"\"{Name}\": {exception.Message}", exception);
        }
    }
}
