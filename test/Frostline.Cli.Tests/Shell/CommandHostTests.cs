using System.CommandLine;
using Frostline.Cli.Shell;
using Xunit;

namespace Frostline.Cli.Tests.Shell;

public sealed class CommandHostTests
{
    [Fact]
    public void Version_is_one_line()
    {
        var run = CommandRun.Of("--version");
        Assert.Equal((ExitCodes.Success, "0.1.0\n", ""), (run.ExitCode, run.Output.ReplaceLineEndings("\n"), run.Error));
    }

    [Theory]
    [InlineData("--frobnicate")]
    [InlineData("frobnicate")]
    [InlineData()]
    public void A_wrong_command_line_is_one_line_and_exit_code_2(params string[] args)
    {
        var run = CommandRun.Of(args);
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Matches(@"\Afrostline: [^\n]+\n\z", run.Error);
    }

    [Fact]
    public void Help_names_every_command()
    {
        var run = CommandRun.Of("--help");
        Assert.Equal(ExitCodes.Success, run.ExitCode);
        Assert.Contains("Usage:", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_of_the_user_is_one_line_even_where_its_message_has_several()
    {
        var run = Throwing(new FrostlineException("recipe.yaml: wrong\r\n  here\n"));
        Assert.Equal((ExitCodes.BadInput, "", "frostline: recipe.yaml: wrong here\n"), (run.ExitCode, run.Output, run.Error));
    }

    [Fact]
    public void A_bug_has_a_stack_trace_and_exit_code_1()
    {
        var run = Throwing(new InvalidOperationException("never"));
        Assert.Equal(ExitCodes.Bug, run.ExitCode);
        Assert.Contains("this is a bug in frostline 0.1.0: System.InvalidOperationException: never", run.Error, StringComparison.Ordinal);
        Assert.Contains(nameof(Throwing), run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Trouble_with_files_is_no_bug()
    {
        var run = Throwing(new IOException("No space left on device : '/data/model.safetensors'"));
        Assert.Equal((ExitCodes.BadInput, "frostline: No space left on device : '/data/model.safetensors'\n"), (run.ExitCode, run.Error));
    }

    [Fact]
    public void A_stopped_job_exits_as_shells_expect()
    {
        var run = Throwing(new OperationCanceledException(), stopped: true);
        Assert.Equal((ExitCodes.Interrupted, "frostline: stopped\n"), (run.ExitCode, run.Error));
    }

    [Fact]
    public void A_cancellation_that_nobody_asked_for_is_a_bug() =>
        Assert.Equal(ExitCodes.Bug, Throwing(new OperationCanceledException()).ExitCode);

    private static CommandRun Throwing(Exception exception, bool stopped = false)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var root = new RootCommand();
        root.SetAction(int (_) => throw exception);
        var exitCode = CommandHost.Run(root, [], new Terminal(output, error), new CancellationToken(stopped));
        return new CommandRun(exitCode, output.ToString(), error.ToString());
    }
}
