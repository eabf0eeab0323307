using Frostline.Testing;
using Xunit;

namespace Frostline.Vision.Tests.Networks;

/// <summary>What has to be seen from outside the process.</summary>
public sealed class ProcessTests
{
    private static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "Frostline.ChildProcess.dll");

    [Fact]
    public void ResNet50_trains_at_224_without_ending_the_process()
    {
        var result = Run("resnet50-step");
        Assert.True(result.ExitCode == 0, $"exit code {result.ExitCode}: {result.Errors}");
        Assert.Equal("gradients 161", result.Output.Trim());
    }

    [Fact]
    public void Small_convolutions_write_no_warnings()
    {
        var result = Run("one-small-image");
        Assert.Equal((0, "10", ""), (result.ExitCode, result.Output.Trim(), result.Errors));
    }

    [Fact]
    public void Steps_while_garbage_is_collected_give_the_same_bits()
    {
        var optimized = new Dictionary<string, string> { ["DOTNET_TieredCompilation"] = "0" };
        var result = ChildProcess.Run(s_program, TimeSpan.FromMinutes(5), optimized, "collected-steps");
        Assert.True(result.ExitCode == 0, $"exit code {result.ExitCode}: {result.Errors}");
        Assert.Equal("equal", result.Output.Trim());
    }

    private static ChildResult Run(string work) =>
        ChildProcess.Run(s_program, TimeSpan.FromMinutes(5), work);
}
