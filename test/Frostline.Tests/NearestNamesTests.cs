using System.Diagnostics;
using Xunit;

namespace Frostline.Tests;

public sealed class NearestNamesTests
{
    private static readonly string[] s_names = ["layer1.conv1.weight", "layer1.conv2.weight", "layer2.conv1.weight", "fc.weight", "fc.bias"];

    [Theory]
    [InlineData("fc.wieght", "fc.weight")]
    [InlineData("FC.BIAS", "fc.bias")]
    [InlineData("layer1.conv1.weigh", "layer1.conv1.weight")]
    public void The_nearest_comes_first(string name, string expected) => Assert.Equal(expected, NearestNames.Of(name, s_names)[0]);

    [Fact]
    public void Nothing_near_gives_nothing()
    {
        Assert.Empty(NearestNames.Of("transformer.encoder", s_names));
        Assert.Equal("", NearestNames.Hint("transformer.encoder", s_names));
        Assert.Equal("", NearestNames.Hint("x", []));
    }

    [Fact]
    public void Equally_near_names_are_sorted_and_limited()
    {
        Assert.Equal(["layer1.conv1.weight", "layer1.conv2.weight", "layer2.conv1.weight"], NearestNames.Of("layer1.conv.weight", s_names.Reverse()));
        Assert.Single(NearestNames.Of("layer1.conv.weight", s_names, most: 1));
        Assert.Equal("; did you mean \"fc.bias\"?", NearestNames.Hint("fc.bia", s_names, most: 1));
        Assert.Equal("; did you mean \"ab\" or \"ac\"?", NearestNames.Hint("aa", ["ac", "ab"]));
    }

    [Fact]
    public void Endless_names_cost_no_time()
    {
        // A damaged checkpoint may have a name of megabytes, and many of them.
        var watch = Stopwatch.StartNew();
        Assert.Empty(NearestNames.Of(new string('a', 3_000_000), [new string('a', 2_999_999), "b"]));
        Assert.Empty(NearestNames.Of("fc.bias", Enumerable.Range(0, 100).Select(i => new string('x', 100_000 + i))));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(2));
    }
}
