using System.Diagnostics;
using System.Runtime.InteropServices;
using Frostline.Optimization;
using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Tests.Optimization;

/// <summary>A garbage collection at any moment, also while libtorch computes, changes no bit of a training.</summary>
[Collection(LibTorchCollection.Name)]
public sealed partial class CollectionTests
{
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(3);

    [Theory]
    [InlineData("sgd")]
    [InlineData("adamw")]
    public void StepsWhileGarbageIsCollectedGiveTheSameBits(string optimizer)
    {
        OptimizerSettings settings = optimizer == "sgd"
            ? Optimizers.Sgd(1e-3, momentum: 0.9, nesterov: true, weightDecay: 1e-4)
            : Optimizers.AdamW(1e-3);
        var (steps, disturbed) = WhileCollecting(() =>
        {
            var clock = Stopwatch.StartNew();
            return Train(settings, _ => clock.Elapsed < s_duration);
        });
        Assert.Equal(Train(settings, step => step < steps).Values, disturbed);
    }

    /// <summary>Norm and optimizer alone, so that most of the time is spent in calls that take numbers.</summary>
    private static (int Steps, double[] Values) Train(OptimizerSettings settings, Func<int, bool> goOn)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = torch.manual_seed(3);
        using var network = torch.nn.Sequential(("0", torch.nn.Linear(4, 4)), ("1", torch.nn.BatchNorm1d(4)));
        var (norm, input) = (network[1], torch.randn(3, 4));
        var parameters = network.named_parameters().Select(p => new NamedParameter(p.name, p.parameter)).ToList();
        foreach (var (_, parameter) in parameters) parameter.grad = torch.randn_like(parameter);
        using var optimizer = new NamedOptimizer(settings, [new OptimizerGroup("all", parameters)]);
        network.train();
        var step = 0;
        for (; goOn(step); step++)
        {
            using var batch = torch.NewDisposeScope();
            EagerOperations.Run(input, (operations, x) => operations.Norm((torch.nn.Module<torch.Tensor, torch.Tensor>)norm, x));
            optimizer.Step();
        }

        return (step, [.. network.state_dict().Values.SelectMany(tensor => tensor.to(torch.float64).data<double>().ToArray())]);
    }

    /// <summary>
    /// Runs work while another thread collects without end. Both share one processor where the system allows it: the other thread
    /// then often runs when the work is inside a call.
    /// </summary>
    private static T WhileCollecting<T>(Func<T> work)
    {
        var done = false;
        var collecting = OnOneProcessor(() =>
        {
            while (!Volatile.Read(ref done))
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }

            return true;
        });
        try
        {
            return OnOneProcessor(work)();
        }
        finally
        {
            Volatile.Write(ref done, true);
            collecting();
        }
    }

    /// <summary>Starts work on a thread of its own; the result waits for it.</summary>
    private static Func<T> OnOneProcessor<T>(Func<T> work)
    {
        T? result = default;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                BindToOneProcessor();
                result = work();
            }
            catch (Exception error)
            {
                failure = error;
            }
        });
        thread.Start();
        return () =>
        {
            thread.Join();
            return failure is null ? result! : throw new InvalidOperationException("the work failed", failure);
        };
    }

    private static void BindToOneProcessor()
    {
        if (!OperatingSystem.IsLinux()) return;
        ulong processors = 0;
        if (sched_getaffinity(0, sizeof(ulong), ref processors) < 0) return;
        var first = processors & (~processors + 1);
        _ = sched_setaffinity(0, sizeof(ulong), ref first);
    }

    [LibraryImport("libc")]
    private static partial int sched_getaffinity(int thread, nint size, ref ulong mask);

    [LibraryImport("libc")]
    private static partial int sched_setaffinity(int thread, nint size, ref ulong mask);
}
