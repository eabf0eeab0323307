using System.Globalization;
using CsCheck;
using Frostline.Selection;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Selection;

public sealed class SelectorPropertyTests
{
    private static readonly Gen<SelectionTree> s_trees =
        Gen.OneOf("a", "b", "conv", "bn", "0", "1").Array[1, 4].List[1, 12].Select(paths =>
        {
            var nodes = new List<SelectionNode> { new("", NodeKind.Module, ["Net"]) };
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (var path in paths.Order(Comparer<string[]>.Create((x, y) => string.CompareOrdinal(string.Join('.', x), string.Join('.', y)))))
            {
                for (var depth = 1; depth <= path.Length; depth++)
                {
                    var name = string.Join('.', path[..depth]);
                    if (seen.Add(name)) nodes.Add(new(name, NodeKind.Module, [path[depth - 1] == "bn" ? "BatchNorm2d" : "Block"]));
                }

                var parameter = string.Join('.', path) + ".weight";
                if (seen.Add(parameter)) nodes.Add(new(parameter, NodeKind.Parameter, []));
            }

            return new SelectionTree(nodes);
        });

    private static readonly Gen<string> s_patterns = Gen.Frequency(
        (6, Gen.OneOf("a", "b", "conv", "bn", "0", "*", "**", "?", "c*").Array[1, 4].Select(segments => string.Join('.', segments))),
        (1, Gen.OneOf("type:Block", "type:BatchNorm*", "regex:(a|b)\\.", "regex:n$", "regex:[ab]|0")),
        (2, Gen.Select(Gen.OneOf("<", "<=", ">", ">="), Gen.OneOf("0", "12.5", "30", "50", "66.7", "100")).Select((comparison, percent) => $"depth:{comparison}{percent}%")));

    [Fact]
    public void Whatever_is_written_either_parses_or_is_refused_as_a_selector() =>
        Gen.String[Gen.OneOf(Gen.Char, Gen.OneOf('a', '.', '*', '&', '|', '!', '(', ')', ' ', ':', '?', '[', '\\'), Gen.Char['a', 'z']), 0, 40].Holds(text =>
        {
            try
            {
                Selector.Parse(text).Select(Trees.Small);
            }
            catch (SelectionException exception)
            {
                Assert.False(string.IsNullOrEmpty(exception.Message));
            }
        }, samples: 20_000);

    [Fact]
    public void Whatever_depth_is_written_either_parses_or_is_refused_as_a_selector() =>
        Gen.String[Gen.OneOf('<', '>', '=', '%', '.', ',', '-', '+', 'e', ' ', '0', '1', '5', '9', '\u0663'), 0, 12].Holds(text =>
        {
            try
            {
                Selector.Parse("depth:" + text).Select(Trees.Small);
            }
            catch (SelectionException exception)
            {
                Assert.False(string.IsNullOrEmpty(exception.Message));
            }
        }, samples: 20_000);

    [Fact]
    public void Two_depths_share_the_tensors_between_them_and_no_container_is_matched() =>
        Gen.Select(s_trees, Gen.Int[0, 10_000]).Holds(
            (tree, hundredths) =>
            {
                var percent = string.Create(CultureInfo.InvariantCulture, $"{hundredths / 100m}%");
                var all = tree.Nodes.Where(node => node.Kind != NodeKind.Module).Select(node => node.Name).ToHashSet(StringComparer.Ordinal);
                foreach (var (low, high) in new[] { ("<", ">="), ("<=", ">") })
                {
                    var below = Selector.Parse($"depth:{low}{percent}").Select(tree);
                    var above = Selector.Parse($"depth:{high}{percent}").Select(tree);
                    Assert.Equal(all.Count, below.Tensors.Count + above.Tensors.Count);
                    Assert.True(all.SetEquals(below.Tensors.Union(above.Tensors)));
                    Assert.DoesNotContain(
                        below.Modules.Concat(above.Modules),
                        name => tree.Nodes.Any(node => node.Kind == NodeKind.Module && node.Name.Length > 0
                            && (name.Length == 0 || node.Name.StartsWith(name + ".", StringComparison.Ordinal))));
                }
            },
            samples: 2_000);

    [Fact]
    public void The_algebra_is_that_of_sets() =>
        Gen.Select(s_trees, s_patterns, s_patterns, s_patterns).Holds(
            (tree, a, b, c) =>
            {
                Same(tree, $"{a} | {b}", $"{b} | {a}");
                Same(tree, $"{a} & {b}", $"{b} & {a}");
                Same(tree, $"!({a} | {b})", $"!{a} & !{b}");
                Same(tree, $"!({a} & {b})", $"!{a} | !{b}");
                Same(tree, $"{a} & ({b} | {c})", $"{a} & {b} | {a} & {c}");
                Same(tree, $"{a} | {b} & {c}", $"({a} | {b}) & ({a} | {c})");
                Same(tree, $"!!{a}", a);
                Same(tree, $"{a} | !{a}", "**");
                Assert.True(Selector.Parse($"{a} & !{a}").Select(tree).IsEmpty);
            },
            samples: 2_000);

    [Fact]
    public void A_pattern_is_complete_downwards_and_means_the_same_with_everything_below_it() =>
        Gen.Select(s_trees, s_patterns).Holds(
            (tree, pattern) =>
            {
                var selection = Selector.Parse(pattern).Select(tree);
                foreach (var node in tree.Nodes)
                {
                    if (!selection.Modules.Any(module => module.Length == 0 || node.Name.StartsWith(module + ".", StringComparison.Ordinal))) continue;
                    Assert.Contains(node.Name, node.Kind == NodeKind.Module ? selection.Modules : selection.Tensors);
                }

                if (!pattern.Contains(':', StringComparison.Ordinal)) Same(tree, pattern, pattern + ".**");
            },
            samples: 2_000);

    private static void Same(SelectionTree tree, string first, string second)
    {
        var (x, y) = (Selector.Parse(first).Select(tree), Selector.Parse(second).Select(tree));
        Assert.True(x.Modules.SetEquals(y.Modules) && x.Tensors.SetEquals(y.Tensors), $"{first} and {second} differ");
    }
}
