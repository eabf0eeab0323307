namespace Frostline.Training.Recipes;

/// <summary>A place in a recipe or in a file that it names, or the <c>--set</c> that replaced it.</summary>
/// <param name="Source">The recipe's file as the user named it, or <c>--set key=value</c>.</param>
/// <param name="Line">The line, counted from 1; 0 where the source has no lines.</param>
/// <param name="Column">The column, counted from 1; 0 where the source has no lines.</param>
public sealed record RecipePosition(string Source, int Line, int Column)
{
    /// <summary><c>file:line:column</c>, or the source alone where it has no lines.</summary>
    public override string ToString() =>
        Line > 0 ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Source}:{Line}:{Column}") : Source;
}

/// <summary>An error in a recipe, or in a file that it names. The message is one line that starts with the place: <c>file:line:column: …</c>.</summary>
public sealed class RecipeException : FrostlineException
{
    /// <summary>Creates the error.</summary>
    /// <param name="position">Where it is.</param>
    /// <param name="reason">The offending text, what is wrong with it, and what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public RecipeException(RecipePosition position, string reason, Exception? inner = null)
        : base($"{position}: {reason}", inner)
    {
        ArgumentNullException.ThrowIfNull(position);
        Position = position;
        Reason = reason;
    }

    /// <summary>Where it is.</summary>
    public RecipePosition Position { get; }

    /// <summary>The message without the place.</summary>
    public string Reason { get; }

    /// <summary>The recipe's file, or the <c>--set</c> that is wrong.</summary>
    public string File => Position.Source;

    /// <summary>The line, counted from 1; 0 for a <c>--set</c>.</summary>
    public int Line => Position.Line;

    /// <summary>The column, counted from 1; 0 for a <c>--set</c>.</summary>
    public int Column => Position.Column;
}
