using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Vision.Data;
using Xunit;

namespace Frostline.Vision.Tests.Data;

public sealed class RealImagesTests
{
    [Theory]
    [InlineData("data/hymenoptera/train", 243, 2)]
    [InlineData("data/hymenoptera/val", 153, 2)]
    [InlineData("data/cifar10-sample/train", 1000, 10)]
    [InlineData("data/cifar10-sample/test", 600, 10)]
    public void Real_folders_are_read_whole(string folder, int count, int classes)
    {
        var dataset = Open(folder);
        Assert.Equal(count, dataset.Count);
        Assert.Equal(classes, dataset.Classes!.Names.Count);
        using var loader = new BatchLoader(
            dataset,
            new BatchLoaderOptions { Transforms = [new Resize { Size = 40 }, new CenterCrop { Size = 32 }, new Scale()] });
        var seen = new List<int>();
        foreach (var batch in loader.Epoch(0))
        {
            seen.AddRange(batch.Indices);
            Assert.Equal([batch.Count, 3, 32, 32], batch.Fields["image"].Shape);
            Assert.All((float[])batch.Fields["image"].Values, v => Assert.InRange(v, 0, 1));
            batch.Dispose();
        }

        Assert.Equal(Enumerable.Range(0, count), seen.Order());
    }

    [Fact]
    public void Augmented_photographs_are_the_same_for_one_worker_and_four_and_after_resuming()
    {
        var dataset = DatasetSplit.PerClass(Open("data/hymenoptera/train"), 20, 1);
        var options = new BatchLoaderOptions
        {
            BatchSize = 8,
            Seed = 3,
            Transforms =
            [
                new RandomResizedCrop { Size = 64 },
                new Flip(),
                new ColorJitter { Brightness = 0.4, Contrast = 0.4, Saturation = 0.4, Hue = 0.1 },
                new RandomErasing(),
                new Scale(),
            ],
        };
        var one = Hashes(options with { Workers = 1 }, 1, 0);
        Assert.Equal(one, Hashes(options with { Workers = 4 }, 1, 0));
        Assert.Equal(one.Skip(2), Hashes(options with { Workers = 4 }, 1, 2));
        Assert.Empty(one.Intersect(Hashes(options, 2, 0), StringComparer.Ordinal));

        List<string> Hashes(BatchLoaderOptions o, int epoch, int first)
        {
            using var loader = new BatchLoader(dataset, o);
            return [.. loader.Epoch(epoch, first).Select(batch => HashOf((float[])batch.Fields["image"].Values) + string.Join(',', batch.Indices))];
        }

        static string HashOf(float[] values) => Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(values.AsSpan())));
    }

    private static IDataset Open(string folder) =>
        ImageFolder.Open(new ImageFolderOptions { Path = Fixtures.PathOf(folder) }, Pictures.Context("/"));
}
