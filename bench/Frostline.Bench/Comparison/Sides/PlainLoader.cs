using System.Collections.Concurrent;
using Frostline.Training.Data;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>A batch in managed memory.</summary>
/// <param name="Images">The images one after the other.</param>
/// <param name="Labels">The class of each; 0 of people.</param>
/// <param name="Heatmaps">Of people the heatmaps that are wanted, one image's after the other's.</param>
/// <param name="Weights">Of people the weight of each joint.</param>
internal sealed record PlainBatch(float[] Images, long[] Labels, float[] Heatmaps, float[] Weights);

/// <summary>
/// What is written around TorchSharp for want of a loader that reads ahead: batches in shuffled order, each decoded by several threads while
/// the network computes with the one before.
/// </summary>
internal sealed class PlainLoader(TrainingTask task)
{
    private const int Ahead = 2;

    private readonly IDataset _images = Decoding.Of(task);
    private readonly IReadOnlyList<ITransform> _transforms = Decoding.TransformsOf(task);
    private readonly ConcurrentQueue<PlainBatch> _free = [];

    /// <summary>How many values an image has.</summary>
    public int Values { get; } = 3 * task.Crop * task.CropWidth;

    private int Joints => task.Network == TrainedNetwork.HRNet ? PosePictures.Joints : 0;

    private int HeatmapValues => Joints * (task.Crop / 4) * (task.CropWidth / 4);

    /// <summary>The batches of an epoch.</summary>
    public IEnumerable<PlainBatch> Epoch(int epoch)
    {
        var order = Enumerable.Range(0, _images.Count).ToArray();
        new Random(epoch).Shuffle(order);
        var waiting = new Queue<Task<PlainBatch>>();
        foreach (var indices in order.Chunk(task.BatchSize))
        {
            waiting.Enqueue(Task.Run(() => Decode(indices)));
            if (waiting.Count > Ahead) yield return waiting.Dequeue().GetAwaiter().GetResult();
        }

        while (waiting.TryDequeue(out var batch)) yield return batch.GetAwaiter().GetResult();
    }

    /// <summary>Gives a batch back, to be filled anew.</summary>
    public void Give(PlainBatch batch) => _free.Enqueue(batch);

    private PlainBatch Decode(int[] indices)
    {
        if (!_free.TryDequeue(out var batch) || batch.Labels.Length != indices.Length)
        {
            var count = indices.Length;
            batch = new PlainBatch(new float[count * Values], new long[count], new float[count * HeatmapValues], new float[count * Joints]);
        }

        Parallel.For(0, indices.Length, new ParallelOptions { MaxDegreeOfParallelism = task.Workers }, i =>
        {
            var sample = _images.Read(indices[i]);
            var random = new CounterRandom(0, "");
            foreach (var transform in _transforms) transform.Apply(sample, random);
            ((float[])sample.Fields["image"].ToTensor().Values).CopyTo(batch.Images, i * Values);
            if (Joints == 0)
            {
                batch.Labels[i] = _images.LabelsOf(indices[i])[0];
                return;
            }

            ((float[])sample.Fields["heatmap"].ToTensor().Values).CopyTo(batch.Heatmaps, i * HeatmapValues);
            ((float[])sample.Fields["weight"].ToTensor().Values).CopyTo(batch.Weights, i * Joints);
        });
        return batch;
    }
}
