using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Frostline.Selection;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Selection;

public sealed class GlobTests
{
    [Theory]
    [InlineData("layer1.*.conv?", "layer1.0.conv2", true)]
    [InlineData("layer1.*.conv?", "layer1.0.1.conv2", false)]
    [InlineData("**.bias", "bias", true)]
    [InlineData("**.bias", "a.b.bias", true)]
    [InlineData("**.bias", "unbias", false)]
    [InlineData("a.**.c", "a.c", true)]
    [InlineData("a.**.**.c", "a.b.b.c", true)]
    [InlineData("a.**", "a", true)]
    [InlineData("a.**", "a.b.c", true)]
    [InlineData("a.**", "ab", false)]
    [InlineData("**", "", true)]
    [InlineData("a**z", "a.b.z", true)]
    [InlineData("*", "", true)]
    [InlineData("*", "a.b", false)]
    public void A_glob_means_what_the_documents_say(string glob, string name, bool expected) =>
        Assert.Equal(expected, new Glob(glob).Matches(name));

    [Fact]
    public void It_agrees_with_a_regular_expression_on_everything()
    {
        var text = Gen.String[Gen.OneOf('a', 'b', '.', '*', '?'), 0, 12];
        var name = Gen.String[Gen.OneOf('a', 'b', '.', '\n'), 0, 10];
        Gen.Select(text, name.Array[8]).Holds(
            (glob, names) =>
            {
                var (matcher, regex) = (new Glob(glob), Expression(glob));
                foreach (var one in names) Assert.True(regex.IsMatch(one) == matcher.Matches(one), $"\"{glob}\" on \"{one}\"");
            },
            samples: 5000);
    }

    [Fact]
    public void Time_is_linear_in_the_name()
    {
        // Backtracking would take longer than the universe is old.
        Assert.False(new Glob(string.Concat(Enumerable.Repeat("**a", 30))).Matches(new string('a', 20_000) + "b"));
    }

    /// <summary>The same meaning, written down as a translation.</summary>
    private static Regex Expression(string glob)
    {
        var segments = glob.Split('.');
        glob = string.Join('.', segments.Where((segment, i) => i == 0 || segment is not "**" || segments[i - 1] is not "**"));
        var pattern = new StringBuilder("\\A");
        for (var i = 0; i < glob.Length; i++)
        {
            if (glob[i] == '.' && glob[(i + 1)..] == "**")
            {
                pattern.Append("(?:\\..*)?");
                break;
            }

            var stars = glob[i..].TakeWhile(c => c == '*').Count();
            var atStart = i == 0 || glob[i - 1] == '.';
            if (stars > 1 && atStart && i + stars < glob.Length && glob[i + stars] == '.')
            {
                pattern.Append("(?:.*\\.)?");
                i += stars;
            }
            else if (stars > 1)
            {
                pattern.Append(".*");
                i += stars - 1;
            }
            else
            {
                pattern.Append(glob[i] switch { '*' => "[^.]*", '?' => "[^.]", var c => Regex.Escape(c.ToString()) });
            }
        }

        return new Regex(pattern.Append("\\z").ToString(), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline);
    }
}
