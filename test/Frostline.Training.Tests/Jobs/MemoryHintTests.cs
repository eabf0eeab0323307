using Frostline.Testing;
using Frostline.Training.Jobs;
using TorchSharp;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

[Collection(LibTorchCollection.Name)]
public sealed class MemoryHintTests
{
    [Fact]
    public void LibtorchsWordForMissingMemoryIsUnderstood()
    {
        var error = Record.Exception(() => torch.empty([1L << 50], torch.float32));
        Assert.NotNull(error);
        Assert.True(MemoryHint.IsOutOfMemory(error), error.Message);
        Assert.False(MemoryHint.IsOutOfMemory(new InvalidOperationException("memory")));
    }

    [Fact]
    public void TheHintKeepsTheSizeOfASteps()
    {
        var error = MemoryHint.Explain(new InvalidOperationException("memory"), batchSize: 64, accumulate: 2);
        Assert.Contains("halve train.batch-size to 32 and set train.accumulate to 4", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("accumulate", MemoryHint.Explain(new InvalidOperationException("memory"), 1, 1).Message, StringComparison.Ordinal);
    }
}
