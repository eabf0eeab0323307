using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>
/// What a careful user writes: the features of all images once, without gradients, kept in memory; then the head alone, which is trained on
/// rows of them. The images are decoded once.
/// </summary>
internal sealed class ExtractOnceTraining(TrainingTask task) : PlainTraining(task)
{
    protected override void Train(nn.Module<Tensor, Tensor> network, SGD optimizer, TrainingClock clock)
    {
        var plain = (IPlainNetwork)network;
        var (features, labels) = Extract(plain);
        for (var epoch = 0; epoch < Task.Epochs; epoch++)
        {
            foreach (var rows in randperm(labels.shape[0]).split(Task.BatchSize))
                clock.Step(Step(
                    plain.Head,
                    optimizer,
                    () => features.index_select(0, rows),
                    output => nn.functional.cross_entropy(output, labels.index_select(0, rows))));
            clock.Epoch();
        }
    }

    private (Tensor Features, Tensor Labels) Extract(IPlainNetwork network)
    {
        using var noGrad = no_grad();
        var (features, labels) = (new List<Tensor>(), new List<Tensor>());
        foreach (var batch in Loader.Epoch(0))
        {
            using var images = ImagesOf(batch);
            features.Add(network.Features(images));
            labels.Add(tensor(batch.Labels));
            Loader.Give(batch);
        }

        return (cat(features), cat(labels));
    }
}
