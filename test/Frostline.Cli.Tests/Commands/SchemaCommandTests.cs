using Frostline.Cli.Shell;
using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

public sealed class SchemaCommandTests
{
    [Fact]
    public void The_schema_is_json_and_knows_what_comes_with_the_command()
    {
        var run = CommandRun.Of("schema");
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.Equal("object", run.Json().GetProperty("type").GetString());
        Assert.Contains("squeezenet1_0", run.Output, StringComparison.Ordinal);
        Assert.Contains("image-folder", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_schema_that_is_checked_in_is_the_one_that_the_command_gives()
    {
        var generated = CommandRun.Of("schema").Output;
        var file = Path.Combine(Fixtures.Repository, "docs", "recipe.schema.json");
        var checkedIn = File.Exists(file) ? File.ReadAllText(file) : "";
        if (checkedIn == generated) return;
        File.WriteAllText(Path.ChangeExtension(file, ".received.json"), generated);
        Assert.Fail("docs/recipe.schema.json is not what the code gives; compare it with docs/recipe.schema.received.json, or run: "
            + "dotnet run --project src/Frostline.Cli -- schema > docs/recipe.schema.json");
    }

    [Fact]
    public void An_assembly_that_is_missing_is_one_line()
    {
        var run = CommandRun.Of("schema", "--assembly", "absent.dll");
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Matches(@"\Afrostline: [^\n]*absent\.dll[^\n]*\n\z", run.Error);
    }
}
