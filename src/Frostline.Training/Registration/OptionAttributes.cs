namespace Frostline.Training.Registration;

/// <summary>
/// Marks a number that a recipe may also write as a percentage: <c>100%</c> is 1. Ranges are those of the number, given by
/// <see cref="System.ComponentModel.DataAnnotations.RangeAttribute"/>.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PercentageAttribute : Attribute;

/// <summary>
/// Marks a factor: a recipe writes it with an x behind it, <c>0.1x</c>, so that nobody takes it for an absolute value.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class MultiplierAttribute : Attribute;

/// <summary>Names the catalogue entry, with its default options, that an absent key stands for.</summary>
/// <param name="name">The entry's name.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class DefaultItemAttribute(string name) : Attribute
{
    /// <summary>The entry's name.</summary>
    public string Name { get; } = name;
}

/// <summary>
/// Marks the property whose key tells which kind of rule a mapping is: with it on <c>Load</c>, every mapping that has the key
/// <c>load</c> is such a rule.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class LeadingKeyAttribute : Attribute;

/// <summary>
/// Lists the kinds of a rule: classes derived from the marked one, each with one <see cref="LeadingKeyAttribute"/>.
/// </summary>
/// <param name="kinds">The classes.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class RuleKindsAttribute(params Type[] kinds) : Attribute
{
    /// <summary>The classes.</summary>
    public IReadOnlyList<Type> Kinds { get; } = kinds;
}

/// <summary>Marks a settable property that is no key of a recipe.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class NotAKeyAttribute : Attribute;

/// <summary>Implemented by settings and options whose keys depend on one another; called after all keys are read.</summary>
public interface ICheckedOptions
{
    /// <summary>Looks at the values together.</summary>
    /// <returns>
    /// What is wrong, and the property (by its C# name) whose key the message points at; null where all is well.
    /// </returns>
    OptionProblem? Check();
}

/// <summary>Something wrong with a value that is only wrong together with others.</summary>
/// <param name="Property">The C# name of the property whose key the message points at.</param>
/// <param name="Message">What is wrong and what to do, to be read after the key's place.</param>
public sealed record OptionProblem(string Property, string Message);
