using System.Globalization;
using System.Text.RegularExpressions;

namespace Frostline.Selection;

/// <summary>Recursive descent over <c>or := and ('|' and)*</c>, <c>and := not ('&amp;' not)*</c>, <c>not := '!'* (pattern | '(' or ')')</c>.</summary>
internal sealed class SelectorParser(string text)
{
    /// <summary>Deeper nesting than any hand writes; keeps hostile input from exhausting the stack.</summary>
    private const int MaximumDepth = 64;

    private const string Operators = "&|()!";
    private static readonly string[] s_prefixes = ["type:", "regex:", "stage:", "depth:"];


    /// <summary>The longer ones first, since the shorter ones begin them.</summary>
    private static readonly string[] s_comparisons = ["<=", ">=", "<", ">"];

    private int _position;
    private int _depth;

    internal SelectorExpression Parse()
    {
        if (string.IsNullOrWhiteSpace(text)) throw new SelectionException("an empty selector matches nothing; \"**\" means everything");
        var expression = Or();
        SkipSpace();
        if (_position < text.Length) throw Error($"unexpected '{text[_position]}'");
        return expression;
    }

    private SelectorExpression Or()
    {
        if (++_depth > MaximumDepth) throw Error($"more than {MaximumDepth} nested parentheses");
        var terms = new List<SelectorExpression> { And() };
        while (Accept('|')) terms.Add(And());
        _depth--;
        return terms.Count == 1 ? terms[0] : new UnionExpression(terms);
    }

    private SelectorExpression And()
    {
        var terms = new List<SelectorExpression> { Not() };
        while (Accept('&')) terms.Add(Not());
        return terms.Count == 1 ? terms[0] : new IntersectionExpression(terms);
    }

    private SelectorExpression Not()
    {
        var negated = false;
        while (Accept('!')) negated = !negated;
        SelectorExpression expression;
        if (Accept('('))
        {
            expression = Or();
            if (!Accept(')')) throw Error("a closing parenthesis is missing");
        }
        else
        {
            expression = Pattern();
        }

        return negated ? new ComplementExpression(expression) : expression;
    }

    private PatternExpression Pattern()
    {
        SkipSpace();
        var start = _position;
        if (start == text.Length) throw Error("a pattern is missing");
        var rest = text.AsSpan(start);
        if (rest.StartsWith("regex:", StringComparison.Ordinal)) return RegexPattern(start);

        while (_position < text.Length && !char.IsWhiteSpace(text[_position]) && !Operators.Contains(text[_position], StringComparison.Ordinal))
            _position++;
        var token = text[start.._position];
        if (token.Length == 0) throw Error($"a pattern is missing before '{text[_position]}'");
        if (token.StartsWith("type:", StringComparison.Ordinal)) return new TypePattern(token, Body(token, 5, start));
        if (token.StartsWith("stage:", StringComparison.Ordinal)) return StagePatternOf(token, start);
        if (token.StartsWith("depth:", StringComparison.Ordinal)) return DepthPatternOf(token, start);
        return Glob(token, start);
    }

    private GlobPattern Glob(string token, int start)
    {
        var colon = token.IndexOf(':', StringComparison.Ordinal);
        if (colon >= 0)
            throw Error($"unknown prefix \"{token[..(colon + 1)]}\"{NearestNames.Hint(token[..(colon + 1)], s_prefixes)}", start);
        if (token.IndexOfAny(['[', ']', '{', '}', '"', '\'']) is >= 0 and var odd)
            throw Error($"'{token[odd]}' has no meaning in a pattern; use regex: for sets of characters", start + odd);
        if (token.StartsWith('.') || token.EndsWith('.') || token.Contains("..", StringComparison.Ordinal))
            throw Error($"\"{token}\" has an empty segment", start);
        return new GlobPattern(token);
    }

    private RegexPattern RegexPattern(int start)
    {
        var depth = 0;
        var inSet = false;
        for (_position = start + 6; _position < text.Length; _position++)
        {
            var c = text[_position];
            if (c == '\\') _position++;
            else if (inSet) inSet = c != ']';
            else if (c == '[') inSet = true;
            else if (c == '(') depth++;
            else if (c == ')' && --depth < 0) break;
            else if (char.IsWhiteSpace(c) && depth == 0) break;
        }

        _position = Math.Min(_position, text.Length);
        var token = text[start.._position];
        var pattern = Body(token, 6, start);
        try
        {
            return new RegexPattern(token, new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)));
        }
        catch (ArgumentException exception)
        {
            var reason = exception.Message.ReplaceLineEndings(" ");
            throw new SelectionException($"selector \"{text}\": \"{pattern}\" is no regular expression: {reason}", exception);
        }
    }

    private StagePattern StagePatternOf(string token, int start)
    {
        var body = Body(token, 6, start);
        var range = body.IndexOf("..", StringComparison.Ordinal);
        if (range < 0) return new StagePattern(token, body, body, IsRange: false);
        var (first, last) = (body[..range], body[(range + 2)..]);
        if (first.Length == 0 && last.Length == 0) throw Error("a range of stages needs a first or a last stage", start);
        if (first.StartsWith('.') || last.StartsWith('.') || last.Contains("..", StringComparison.Ordinal))
            throw Error($"\"{body}\" is no range of stages", start);
        return new StagePattern(token, first, last, IsRange: true);
    }

    private DepthPattern DepthPatternOf(string token, int start)
    {
        var body = Body(token, 6, start);
        var name = s_comparisons.FirstOrDefault(comparison => body.StartsWith(comparison, StringComparison.Ordinal));
        if (name is null) throw Error($"\"{token}\" lacks a comparison; write <, <=, > or >= before the percentage, as in depth:<30%", start);
        var number = body[name.Length..];
        if (number.Length == 0) throw Error($"\"{token}\" lacks a percentage behind {name}; write it without a space, as in depth:<30%", start);
        if (!number.EndsWith('%')) throw Error($"\"{token}\" lacks a percent sign; write depth:{name}{number}%", start);
        if (!decimal.TryParse(number.AsSpan(0, number.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent))
            throw Error($"\"{number}\" is no percentage; write a number from 0 to 100 with a point for decimals, as in depth:<12.5%", start);
        if (percent > 100) throw Error($"a depth of {number} is impossible; the percentage is a number from 0 to 100", start);
        return new DepthPattern(token, name, percent);
    }

    private string Body(string token, int prefix, int start) =>
        token.Length > prefix ? token[prefix..] : throw Error($"\"{token}\" lacks what to match", start);

    private bool Accept(char c)
    {
        SkipSpace();
        if (_position >= text.Length || text[_position] != c) return false;
        _position++;
        return true;
    }

    private void SkipSpace()
    {
        while (_position < text.Length && char.IsWhiteSpace(text[_position])) _position++;
    }

    private SelectionException Error(string what, int? position = null) =>
        new($"selector \"{text}\", character {(position ?? _position) + 1}: {what}");
}
