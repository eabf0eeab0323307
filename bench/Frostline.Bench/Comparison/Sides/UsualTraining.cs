using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>
/// The usual recipe: frozen parameters require no gradient, their norms use running statistics, and every batch goes through all of the
/// network.
/// </summary>
internal sealed class UsualTraining(TrainingTask task) : PlainTraining(task)
{
    protected override void Train(nn.Module<Tensor, Tensor> network, SGD optimizer, TrainingClock clock)
    {
        for (var epoch = 0; epoch < Task.BaselineEpochs; epoch++)
        {
            foreach (var batch in Loader.Epoch(epoch))
            {
                clock.Step(Step(network, optimizer, () => ImagesOf(batch), LossOf(batch)));
                Loader.Give(batch);
            }

            clock.Epoch();
        }
    }
}
