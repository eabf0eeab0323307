using System.Globalization;

namespace Frostline.Training.Recipes;

/// <content>Single values.</content>
internal sealed partial class RecipeBinder
{
    private static object Scalar(OptionKey key, Type type, RecipeNode node)
    {
        if (node is not ScalarNode scalar)
        {
            var what = node is ListNode ? "list" : "mapping";
            throw node.Error($"\"{node.Excerpt}\" is a {what}; {key.Name} wants {Describe(key, type)}");
        }

        if (type == typeof(string)) return scalar.Text;
        if (type.IsEnum) return EnumValue(key, type, scalar);
        // 0.1x is text in YAML, with quotes or without.
        if (scalar.Quoted && !key.IsMultiplier) throw Wrong(key, type, scalar, "is text in quotes");
        if (type == typeof(bool)) return Boolean(key, scalar);
        var number = ValueTypes.IsWhole(type) ? (object)Whole(key, type, scalar) : Real(key, type, scalar);
        return Convert.ChangeType(number, type, CultureInfo.InvariantCulture);
    }

    private static object EnumValue(OptionKey key, Type type, ScalarNode scalar)
    {
        var names = ValueTypes.NamesOf(type);
        for (var i = 0; i < names.Count; i++)
            if (names[i] == scalar.Text) return Enum.GetValues(type).GetValue(i)!;
        var hint = NearestNames.Hint(scalar.Text, names);
        if (hint.Length == 0) hint = $"; it is {List(names, "or")}";
        throw scalar.Error($"\"{scalar.Excerpt}\" is no value of {key.Name}{hint}");
    }

    private static bool Boolean(OptionKey key, ScalarNode scalar) => scalar.Text switch
    {
        "true" or "True" or "TRUE" or "on" or "On" or "ON" => true,
        "false" or "False" or "FALSE" or "off" or "Off" or "OFF" => false,
        _ => throw Wrong(key, typeof(bool), scalar, "is neither on nor off"),
    };

    private static long Whole(OptionKey key, Type type, ScalarNode scalar)
    {
        if (!long.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            var isWhole = scalar.Text.Length > 0 && scalar.Text.TrimStart('-', '+').All(char.IsAsciiDigit);
            throw Wrong(key, type, scalar, isWhole ? "is too large" : "is not a whole number");
        }

        if (type == typeof(int) && number is (< int.MinValue or > int.MaxValue)) throw Wrong(key, type, scalar, "is too large");
        if (key.OutOfRange(number) is { } problem) throw scalar.Error($"\"{scalar.Excerpt}\" {problem}");
        return number;
    }

    private static double Real(OptionKey key, Type type, ScalarNode scalar)
    {
        var text = scalar.Text;
        if (key.IsMultiplier)
        {
            if (!text.EndsWith('x')) throw Wrong(key, type, scalar, "has no x behind it");
            text = text[..^1];
        }

        var percent = key.IsPercentage && text.EndsWith('%');
        if (percent) text = text[..^1];
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        var isNumber = double.TryParse(text, Style, CultureInfo.InvariantCulture, out var number);
        if (!isNumber || !double.IsFinite(number)) throw Wrong(key, type, scalar, "is not a number");
        // 29 / 100 and not 29 * 0.01: division gives the double nearest to the decimal fraction.
        if (percent) number /= 100;
        if (key.OutOfRange(number) is { } problem)
        {
            var hint = key.IsPercentage && !percent && number is > 1 and <= 100 ? $"; did you mean \"{text}%\"?" : "";
            throw scalar.Error($"\"{scalar.Excerpt}\" {problem}{hint}");
        }

        return number;
    }

    private static RecipeException Wrong(OptionKey key, Type type, ScalarNode scalar, string what) =>
        new(scalar.Position, $"\"{scalar.Excerpt}\" {what}; {key.Name} wants {Describe(key, type)}");

    private static string Describe(OptionKey key, Type type)
    {
        if (type == typeof(string)) return "text";
        if (type == typeof(bool)) return "on or off";
        if (type.IsEnum) return List(ValueTypes.NamesOf(type), "or");
        if (key.IsMultiplier) return "a factor such as 0.1x";
        if (key.IsPercentage) return "a share such as 90% or 0.9";
        return ValueTypes.IsWhole(type) ? "a whole number" : "a number";
    }
}
