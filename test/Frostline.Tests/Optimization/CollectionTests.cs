using System.Diagnostics;
using Frostline.Optimization;
using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using Xunit;

namespace Frostline.Tests.Optimization;

/// <summary>A garbage collection at any moment changes no bit of a training.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class CollectionTests
{
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(2.5);

    [Theory]
    [InlineData("sgd")]
    [InlineData("adamw")]
    public void TrainingWhileGarbageIsCollectedGivesTheSameBits(string optimizer)
    {
        OptimizerSettings settings = optimizer == "sgd"
            ? Optimizers.Sgd(0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-4)
            : Optimizers.AdamW(0.01);
        using var stop = new CancellationTokenSource();
        var collecting = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        collecting.Start();
        int steps;
        double[] disturbed;
        try
        {
            var clock = Stopwatch.StartNew();
            (steps, disturbed) = Train(settings, _ => clock.Elapsed < s_duration);
        }
        finally
        {
            stop.Cancel();
            collecting.Join();
        }

        Assert.Equal(Train(settings, step => step < steps).Values, disturbed);
    }

    /// <summary>Everything that a training of some steps leaves behind: parameters, statistics, counters, and the average.</summary>
    private static (int Steps, double[] Values) Train(OptimizerSettings settings, Func<int, bool> goOn)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = torch.manual_seed(3);
        using var network = torch.nn.Sequential(
            ("0", torch.nn.Linear(4, 8)), ("1", torch.nn.BatchNorm1d(8)), ("2", torch.nn.ReLU()), ("3", torch.nn.Linear(8, 8)), ("4", torch.nn.BatchNorm1d(8)));
        var (input, target) = (torch.randn(16, 4), torch.randn(16, 8));
        var parameters = network.named_parameters().Select(p => new NamedParameter(p.name, p.parameter)).ToList();
        using var optimizer = new NamedOptimizer(settings, [new OptimizerGroup("all", parameters)]);
        using var average = new ExponentialAverage(parameters.Select(p => new NamedTensor(p.Name, p.Parameter)), 0.9);
        network.train();
        var step = 0;
        for (; goOn(step); step++)
        {
            using var batch = torch.NewDisposeScope();
            var output = EagerOperations.Run(input, (operations, x) => operations.Add(operations.Call(network, x), operations.Call(network, x)));
            optimizer.ZeroGrad();
            torch.nn.functional.mse_loss(output, target).backward();
            Gradients.ClipByNorm(parameters, 0.5);
            optimizer.Step();
            average.Update();
        }

        using var swapped = average.Swap();
        return (step, [.. network.state_dict().Values.SelectMany(tensor => tensor.to(torch.float64).data<double>().ToArray())]);
    }
}
