using System.Runtime.CompilerServices;
using Frostline.Testing;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Autograd;

/// <summary>Libtorch's switch belongs to a thread, and what follows an <c>await</c> may run on another.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class AwaitingTests
{
    [Fact]
    public void With_TorchSharp_alone_a_graph_is_recorded_after_an_await_inside_no_grad_and_the_first_thread_stays_off()
    {
        // A thread of the test's own: what it leaves behind ends with it.
        bool inside = true, after = false, first = true;
        var thread = new Thread(() =>
        {
            Body().GetAwaiter().GetResult();
            first = is_grad_enabled();
        });
        thread.Start();
        thread.Join();
        Assert.False(inside);
        Assert.True(after);
        Assert.False(first);

        async Task Body()
        {
            using (no_grad())
            {
                inside = is_grad_enabled();
                await default(OnAnotherThread);
                after = is_grad_enabled();
            }
        }
    }

    [Theory]
    [InlineData("using var _ = Frostline.Autograd.NoGrad.Enter();")]
    [InlineData("using var _ = Frostline.Autograd.Inference.Of(module);")]
    public void The_scopes_do_not_compile_around_an_await(string scope)
    {
        var (exitCode, output) = Compile($"{{ {scope} await Task.Yield(); }}");
        Assert.Equal(1, exitCode);
        Assert.Contains("error CS4007", output);
    }

    [Theory]
    [InlineData("{ using var _ = Frostline.Autograd.NoGrad.Enter(); } await Task.Yield();")]
    [InlineData("{ using var _ = Frostline.Autograd.Inference.Of(module); } await Task.Yield();")]
    [InlineData("{ using var _ = TorchSharp.torch.no_grad(); await Task.Yield(); }")]
    public void The_scopes_compile_before_an_await_and_TorchSharps_around_one(string body) => Assert.Equal((0, ""), Compile(body));

    /// <summary>Compiles a method with the SDK's compiler: what it says, and 0 or 1.</summary>
    private static (int ExitCode, string Output) Compile(string body)
    {
        using var folder = new TemporaryFolder();
        var source = folder.PathOf("Snippet.cs");
        File.WriteAllText(source, $"using System.Threading.Tasks; class C {{ async Task M(TorchSharp.torch.nn.Module module) {{ {body} }} }}");
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => $"-r:{path}");
        string[] arguments = ["-nologo", "-noconfig", "-nostdlib", "-target:library", $"-out:{folder.PathOf("Snippet.dll")}", source];
        var result = ChildProcess.Run(Compiler(), TimeSpan.FromMinutes(2), [.. arguments, .. references]);
        return (result.ExitCode, result.Output);
    }

    private static string Compiler()
    {
        var sdks = Path.Combine(Path.GetDirectoryName(ChildProcess.Host)!, "sdk");
        return Directory.EnumerateDirectories(sdks)
            .Select(sdk => Path.Combine(sdk, "Roslyn", "bincore", "csc.dll"))
            .Where(File.Exists)
            .MaxBy(File.GetLastWriteTimeUtc)!;
    }

    /// <summary>What follows its <c>await</c> runs on a new thread, always.</summary>
    private readonly struct OnAnotherThread : INotifyCompletion
    {
        public bool IsCompleted => false;

        public OnAnotherThread GetAwaiter() => this;

        public void OnCompleted(Action continuation) => new Thread(() => continuation()).Start();

        public void GetResult()
        {
        }
    }
}
