using System.Text.RegularExpressions;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;

namespace Frostline.Cli.Tests.Documents;

/// <summary>Runs the examples of the README, so that they cannot rot.</summary>
[Collection(LibTorchCollection.Name)]
public sealed partial class ReadmeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Text { get; } = File.ReadAllText(Path.Combine(Fixtures.Repository, "README.md")).ReplaceLineEndings("\n");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void There_are_exactly_two_commands_for_a_fresh_machine()
    {
        Assert.Collection(
            Blocks("bash"),
            quickstart => Assert.Equal("dotnet run --project src/Frostline.Cli -c Release -- train examples/quickstart.yaml\n", quickstart),
            tests => Assert.Equal("dotnet test -c Release --max-parallel-test-modules 1\n", tests));
    }

    [Fact]
    public void The_library_example_is_the_one_that_is_compiled()
    {
        var path = Path.Combine(Fixtures.Repository, "test/Frostline.Cli.Tests/Documents/LibraryExample.cs");
        var source = File.ReadAllText(path).ReplaceLineEndings("\n");
        var usings = source.Split('\n').Where(line => line.StartsWith("using ", StringComparison.Ordinal));
        var body = source.Split("// <example>\n")[1].Split("        // </example>")[0];
        var example = string.Join('\n', body.Split('\n').Select(line => line.StartsWith("        ", StringComparison.Ordinal) ? line[8..] : line));
        Assert.Equal(string.Concat(usings.Select(line => line + "\n")) + "\n" + example, Assert.Single(Blocks("csharp")));
    }

    [Fact]
    public void The_library_example_runs()
    {
        WriteWeights();
        using var images = torch.zeros(2, 3, 64, 64);
        using var labels = torch.tensor(new long[] { 0, 1 });
        var before = Directory.GetCurrentDirectory();
        try
        {
            Directory.SetCurrentDirectory(_folder.Path);
            LibraryExample.Run([(images, labels), (images, labels)]);
        }
        finally
        {
            Directory.SetCurrentDirectory(before);
        }

        using var written = Checkpoint.Open(_folder.PathOf("ants-and-bees.safetensors"));
        using var weights = Checkpoint.Open(_folder.PathOf("resnet18-f37072fd.pth"));
        Assert.Equal(weights.Read("layer4.1.bn2.running_var"), written.Read("layer4.1.bn2.running_var"));
        Assert.Equal([2L, 512L], written.Find("fc.weight").Shape);
    }

    [Fact]
    public void The_recipe_example_trains()
    {
        WriteWeights();
        foreach (var part in new[] { "train", "val" })
        {
            Bitmap.Write(_folder.PathOf($"photos/{part}/ants/1.bmp"), 256, 200, 20, 20);
            Bitmap.Write(_folder.PathOf($"photos/{part}/bees/1.bmp"), 256, 20, 20, 200);
        }

        File.WriteAllText(_folder.PathOf("ants.yaml"), Assert.Single(Blocks("yaml")));
        var run = CommandRun.Of("train", _folder.PathOf("ants.yaml"), "--output", _folder.PathOf("run"), "--set", "train.epochs=1");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Contains("120 frozen tensors, none moved by a bit", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("CONTRIBUTING.md")]
    [InlineData("CHANGELOG.md")]
    [InlineData("docs")]
    public void Links_lead_somewhere(string where)
    {
        var path = Path.Combine(Fixtures.Repository, where);
        foreach (var file in Directory.Exists(path) ? Directory.GetFiles(path, "*.md") : [path])
        {
            foreach (var target in LinkPattern().Matches(File.ReadAllText(file)).Select(match => match.Groups["target"].Value))
            {
                if (target.Contains("://", StringComparison.Ordinal)) continue;
                var linked = Path.Combine(Path.GetDirectoryName(file)!, target.Split('#')[0]);
                Assert.True(File.Exists(linked), $"{Path.GetFileName(file)} links to {target}, which does not exist");
            }
        }
    }

    private void WriteWeights()
    {
        // A stand-in of the same names and shapes; a checkpoint is known by its content, not by its name.
        using var network = new ResNet(ResNetDepth.ResNet18);
        new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(network, seed: 1);
        ModelFile.Save(network, _folder.PathOf("resnet18-f37072fd.pth"));
    }

    private static IReadOnlyList<string> Blocks(string language)
    {
        const RegexOptions options = RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture;
        var blocks = Regex.Matches(Text, $"^```{language}\n(?<text>.*?)^```$", options, TimeSpan.FromSeconds(1));
        return [.. blocks.Select(block => block.Groups["text"].Value)];
    }

    [GeneratedRegex(@"\[[^\]]*\]\((?<target>[^)\s]+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex LinkPattern();
}
