using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>What the trainings in plain TorchSharp have in common.</summary>
internal abstract class PlainTraining(TrainingTask task)
{
    private const double Momentum = 0.9;

    /// <summary>What is trained, and how.</summary>
    protected TrainingTask Task { get; } = task;

    /// <summary>The images.</summary>
    protected PlainLoader Loader { get; } = new(task);

    /// <summary>Trains to the end.</summary>
    public SideReport Run()
    {
        NativeRuntime.Load(Task.Threads);
        using var network = Task.Network == TrainedNetwork.HRNet ? (nn.Module<Tensor, Tensor>)new PlainHRNet(PosePictures.Width, PosePictures.Joints) : new PlainResNet(ClassPictures.Classes);
        using (var checkpoint = Checkpoint.Open(Task.Weights)) new InitializationPlan().Load("**", checkpoint).Apply(network, seed: 0);
        Freeze(network);
        var trained = network.parameters().Where(parameter => parameter.requires_grad).ToList();
        using var optimizer = optim.SGD(trained, Task.LearningRate, Momentum);
        var clock = new TrainingClock();
        Train(network, optimizer, clock);
        return clock.Report();
    }

    /// <summary>Trains a network on which the plan holds.</summary>
    protected abstract void Train(nn.Module<Tensor, Tensor> network, SGD optimizer, TrainingClock clock);

    /// <summary>The images of a batch, in the caller's dispose scope.</summary>
    protected Tensor ImagesOf(PlainBatch batch) => tensor(batch.Images, [batch.Labels.Length, 3, Task.Crop, Task.CropWidth]);

    /// <summary>One step. Without the pause, libtorch would now and then read numbers that TorchSharp has freed, and end the measurement.</summary>
    protected static double Step(nn.Module<Tensor, Tensor> network, SGD optimizer, Func<Tensor> inputsOf, Func<Tensor, Tensor> lossOf)
    {
        using var pause = FinalizerPause.Enter();
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        var loss = lossOf(network.call(inputsOf()));
        loss.backward();
        optimizer.step();
        return loss.item<float>();
    }

    /// <summary>The loss of a batch, from what the network puts out.</summary>
    protected static Func<Tensor, Tensor> LossOf(PlainBatch batch) => output =>
    {
        if (batch.Weights.Length == 0) return nn.functional.cross_entropy(output, tensor(batch.Labels));
        using Scalar minus = -1, half = 0.5;
        var weights = tensor(batch.Weights, [batch.Labels.Length, PosePictures.Joints, 1, 1]);
        return output.add(tensor(batch.Heatmaps, output.shape), minus).mul(weights).square().mean().mul(half);
    };

    /// <summary>Only what is trained requires gradients, and only its norms' statistics move.</summary>
    private void Freeze(nn.Module<Tensor, Tensor> network)
    {
        if (Task.Trained == TrainedPart.All)
        {
            network.train();
            return;
        }

        network.eval();
        foreach (var parameter in network.parameters()) parameter.requires_grad = false;
        var plain = (IPlainNetwork)network;
        var parts = Task.Trained == TrainedPart.Head ? new nn.Module[] { plain.Head } : [plain.LastLayer, plain.Head];
        foreach (var part in parts)
        {
            part.train();
            foreach (var parameter in part.parameters()) parameter.requires_grad = true;
        }
    }
}
