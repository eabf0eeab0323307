using Frostline.Training.Recipes;

namespace Frostline.Training.Registration;

/// <summary>A catalogue without its type argument, as the recipe's reader and schema see it.</summary>
internal interface ICatalog
{
    /// <summary>What its entries are called in messages.</summary>
    string Kind { get; }

    /// <summary>What it creates.</summary>
    Type ThingType { get; }

    /// <summary>The names, summaries and options types of its entries, ordered by name.</summary>
    IReadOnlyList<CatalogItemShape> Shapes { get; }

    /// <summary>Creates an item.</summary>
    /// <param name="name">The name of an entry that exists.</param>
    /// <param name="options">An instance of its options type.</param>
    /// <param name="position">Where the recipe says it.</param>
    /// <param name="texts">Where the recipe says each option's key and text.</param>
    CatalogItem Bind(string name, object options, RecipePosition position, IReadOnlyList<(string Text, RecipePosition Position)> texts);
}

/// <summary>What is known of a catalogue's entry without its type argument.</summary>
internal sealed record CatalogItemShape(string Name, string Summary, Type OptionsType);
