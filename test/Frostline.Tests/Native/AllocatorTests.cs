using System.Diagnostics;
using System.Runtime.InteropServices;
using Frostline.Native;
using Xunit;

namespace Frostline.Tests.Native;

public sealed class AllocatorTests
{
    [Theory]
    [InlineData("default", true)]
    [InlineData(" DEFAULT ", true)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData("tuned", false)]
    public void The_switch_is_one_word(string? value, bool off) => Assert.Equal(off, Allocator.IsTurnedOff(value));

    /// <summary>Also run in a child process by the test below, with the variable set.</summary>
    [Fact]
    public void The_setting_is_in_force_on_glibc_unless_turned_off()
    {
        var glibc = OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc.so.6", out var libc) && NativeLibrary.TryGetExport(libc, "mallopt", out _);
        Assert.Equal(glibc && !Allocator.IsTurnedOff(Environment.GetEnvironmentVariable(Allocator.EnvironmentVariable)), Allocator.IsTuned);
    }

    [Theory]
    [InlineData("default")]
    [InlineData("")]
    public async Task The_environment_variable_turns_it_off(string value)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(typeof(AllocatorTests).Assembly.Location);
        start.ArgumentList.Add("-method");
        start.ArgumentList.Add($"{typeof(AllocatorTests).FullName}.{nameof(The_setting_is_in_force_on_glibc_unless_turned_off)}");
        start.Environment[Allocator.EnvironmentVariable] = value;
        using var child = Process.Start(start)!;
        var error = child.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await child.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await child.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(child.ExitCode == 0, output + await error);
        Assert.Contains("Total: 1", output, StringComparison.Ordinal);
    }
}
