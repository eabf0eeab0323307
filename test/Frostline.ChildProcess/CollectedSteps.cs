using System.Diagnostics;
using Frostline.Optimization;
using Frostline.Staging;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Children;

/// <summary>
/// Computes while garbage is collected without end, then as many steps in peace, and compares every bit. A number that is
/// freed while libtorch reads it ends this process. In one of its own, because collections are quick where little is on the heap,
/// and because it has to run without tiered compilation: code that is not optimized yet keeps its arguments alive.
/// </summary>
internal static class CollectedSteps
{
    private const int Size = 400_000;

    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(2);

    public static int Run()
    {
        torch.set_num_threads(1);
        var clock = Stopwatch.StartNew();
        var (steps, disturbed) = WhileCollecting(() => Train(_ => clock.Elapsed < s_duration));
        var (_, expected) = Train(step => step < steps);
        Console.WriteLine(expected.SequenceEqual(disturbed) ? "equal" : "different");
        return 0;
    }

    /// <summary>
    /// Operands are of two types each: libtorch then converts whole tensors before it reads the number, which leaves a
    /// collection all the time that it needs.
    /// </summary>
    private static (int Steps, float[] Values) Train(Func<int, bool> goOn)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = torch.manual_seed(3);
        var gradient = torch.randn(Size, torch.float64);
        Parameter a = new(torch.zeros(Size)), b = new(torch.zeros(Size));
        using var sgd = Optimizer(a, Optimizers.Sgd(1e-3, momentum: 0.9, nesterov: true, weightDecay: 1e-4));
        using var adam = Optimizer(b, Optimizers.AdamW(1e-3));
        var step = 0;
        for (; goOn(step); step++)
        {
            using var batch = torch.NewDisposeScope();
            var sum = EagerOperations.Run(a.detach(), (operations, x) => operations.Add(x, EagerOperations.Wrap(gradient)));
            (a.grad, b.grad) = (sum, gradient);
            sgd.Step();
            adam.Step();
        }

        return (step, [.. a.data<float>(), .. b.data<float>()]);
    }

    private static NamedOptimizer Optimizer(Parameter parameter, OptimizerSettings settings) =>
        new(settings, [new OptimizerGroup("all", [new NamedParameter("parameter", parameter)])]);

    private static T WhileCollecting<T>(Func<T> work)
    {
        var done = false;
        var collecting = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        collecting.Start();
        var result = work();
        Volatile.Write(ref done, true);
        collecting.Join();
        return result;
    }
}
