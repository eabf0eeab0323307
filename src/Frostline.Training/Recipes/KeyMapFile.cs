using System.Text.RegularExpressions;
using Frostline.Checkpoints;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>Reads a <see cref="KeyMap"/> from a YAML file: <c>version: 1</c> and <c>rules</c>, applied in order.</summary>
public static class KeyMapFile
{
    private const string What = "key map";

    /// <summary>Reads a map.</summary>
    /// <param name="path">Its YAML file.</param>
    /// <exception cref="RecipeException">
    /// The file is missing, is no YAML, or something in it is wrong; the message says where.
    /// </exception>
    public static KeyMap Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Parse(RecipeFile.ReadText(path, Path.GetFullPath(path), What), path);
    }

    /// <summary>Reads a map from text.</summary>
    /// <param name="text">The YAML.</param>
    /// <param name="source">What messages call it.</param>
    /// <exception cref="RecipeException">It is no YAML, or something in it is wrong.</exception>
    public static KeyMap Parse(string text, string source)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(source);
        var node = RecipeText.Read(text, source, What);
        if (node is not MapNode root)
        {
            var what = node.IsNull ? "the key map is empty" : $"\"{node.Excerpt}\" is no key map";
            throw node.Error($"{what}; a key map is version: 1 and rules");
        }

        RecipeFile.RequireVersion(root, What);
        var settings = (KeyMapSettings)new RecipeBinder(new Registry(), "the key map").Object(typeof(KeyMapSettings), root, "");
        return Compose(settings.Rules);
    }

    private static KeyMap Compose(IEnumerable<KeyMapRule> rules) =>
        rules.Aggregate(KeyMap.Identity, (map, rule) => rule.AddTo(map));

    /// <summary>The whole file.</summary>
    internal sealed record KeyMapSettings
    {
        /// <summary>The version of the format.</summary>
        [RequiredKey]
        public int Version { get; init; } = 1;

        /// <summary>The rules, in order.</summary>
        [RequiredKey]
        [System.ComponentModel.DataAnnotations.MinLength(1)]
        public IReadOnlyList<KeyMapRule> Rules { get; init; } = [];
    }

    /// <summary>A rule of the file.</summary>
    [RuleKinds(
        typeof(StripPrefixRule), typeof(StripOptionalRule), typeof(AddPrefixRule), typeof(ReplaceRule), typeof(PairsRule),
        typeof(FirstMatchRule), typeof(UseRule))]
    internal abstract record KeyMapRule
    {
        /// <summary>The map, then this rule.</summary>
        public abstract KeyMap AddTo(KeyMap map);

        /// <summary>What is wrong with a text that must not be empty.</summary>
        protected static OptionProblem? NotEmpty(string property, string text) =>
            text.Length > 0 ? null : new OptionProblem(property, "is empty; give it a text, or remove the rule");
    }

    /// <summary>Takes off a prefix that a name must have.</summary>
    internal sealed record StripPrefixRule : KeyMapRule, ICheckedOptions
    {
        /// <summary>The prefix.</summary>
        [LeadingKey]
        public required string StripPrefix { get; init; }

        /// <inheritdoc/>
        public OptionProblem? Check() => NotEmpty(nameof(StripPrefix), StripPrefix);

        /// <inheritdoc/>
        public override KeyMap AddTo(KeyMap map) => map.StripPrefix(StripPrefix);
    }

    /// <summary>Takes off a prefix that no name need have.</summary>
    internal sealed record StripOptionalRule : KeyMapRule, ICheckedOptions
    {
        /// <summary>The prefix.</summary>
        [LeadingKey]
        public required string StripOptional { get; init; }

        /// <inheritdoc/>
        public OptionProblem? Check() => NotEmpty(nameof(StripOptional), StripOptional);

        /// <inheritdoc/>
        public override KeyMap AddTo(KeyMap map) => map.StripOptional(StripOptional);
    }

    /// <summary>Puts a prefix before every name.</summary>
    internal sealed record AddPrefixRule : KeyMapRule, ICheckedOptions
    {
        /// <summary>The prefix.</summary>
        [LeadingKey]
        public required string AddPrefix { get; init; }

        /// <inheritdoc/>
        public OptionProblem? Check() => NotEmpty(nameof(AddPrefix), AddPrefix);

        /// <inheritdoc/>
        public override KeyMap AddTo(KeyMap map) => map.AddPrefix(AddPrefix);
    }

    /// <summary>Replaces what a regular expression matches.</summary>
    internal sealed record ReplaceRule : KeyMapRule, ICheckedOptions
    {
        /// <summary>The expression.</summary>
        [LeadingKey]
        public required string Rename { get; init; }

        /// <summary>What replaces a match.</summary>
        public required string To { get; init; }

        /// <inheritdoc/>
        public OptionProblem? Check()
        {
            try
            {
                _ = Regex.IsMatch("", Rename, RegexOptions.None, TimeSpan.FromSeconds(1));
                return NotEmpty(nameof(Rename), Rename);
            }
            catch (ArgumentException exception)
            {
                return new OptionProblem(nameof(Rename), $"is no regular expression: {exception.Message}");
            }
        }

        /// <inheritdoc/>
        public override KeyMap AddTo(KeyMap map) => map.Rename(Rename, To);
    }

    /// <summary>Names and their new names, one by one.</summary>
    internal sealed record PairsRule : KeyMapRule, ICheckedOptions
    {
        /// <summary>The pairs.</summary>
        [LeadingKey]
        public required IReadOnlyDictionary<string, string> Map { get; init; }

        /// <inheritdoc/>
        public OptionProblem? Check() => Map.Count == 0
            ? new OptionProblem(nameof(Map), "is empty; write pairs below it, name: new name")
            : Map.FirstOrDefault(pair => pair.Value.Length == 0) is { Key: { } name }
                ? new OptionProblem(nameof(Map), $"\"{name}\" becomes empty; give it a name")
                : null;

        /// <inheritdoc/>
        public override KeyMap AddTo(KeyMap map) => map.Map(Map);
    }

    /// <summary>Gives each name to the first rule that matches it.</summary>
    internal sealed record FirstMatchRule : KeyMapRule, ICheckedOptions
    {
        /// <summary>The rules.</summary>
        [LeadingKey]
        public required IReadOnlyList<KeyMapRule> FirstMatch { get; init; }

        /// <inheritdoc/>
        public OptionProblem? Check() =>
            FirstMatch.Count > 0 ? null : new OptionProblem(nameof(FirstMatch), "is empty; write rules below it");

        /// <inheritdoc/>
        public override KeyMap AddTo(KeyMap map) => map.FirstMatch([.. FirstMatch.Select(rule => rule.AddTo(KeyMap.Identity))]);
    }

    /// <summary>A ready-made map.</summary>
    internal sealed record UseRule : KeyMapRule, ICheckedOptions
    {
        /// <summary>Its name.</summary>
        [LeadingKey]
        public required string Use { get; init; }

        /// <inheritdoc/>
        public OptionProblem? Check() => KeyMaps.Find(Use) is not null ? null : new OptionProblem(
            nameof(Use), $"\"{Use}\" is none of {string.Join(", ", KeyMaps.Names)}{NearestNames.Hint(Use, KeyMaps.Names)}");

        /// <inheritdoc/>
        public override KeyMap AddTo(KeyMap map) => map.Then(KeyMaps.Find(Use)!);
    }
}
