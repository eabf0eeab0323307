using Frostline.Initialization;
using Frostline.Testing;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

/// <summary>TorchSharp constructs a GroupNorm without values: its weight and bias are whatever lay in their memory.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class UninitializedTests
{
    private const string Warning = "norm.weight, norm.bias: kept, though TorchSharp's GroupNorm is constructed without a value; draw, load or set it";

    [Fact]
    public void A_kept_GroupNorm_is_a_warning_and_a_drawn_one_is_what_PyTorchs_is()
    {
        using var norm = OverOldMemory();
        using var network = nn.Sequential(("linear", nn.Linear(4, 64)), ("norm", norm), ("layer", nn.LayerNorm(64)));
        Assert.Equal([Warning], new InitializationPlan().Apply(network, seed: 1).Warnings);
        var kept = new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Keep("norm").Apply(network, seed: 1);
        Assert.Equal([Warning], kept.Warnings);
        Assert.Equal("kept as constructed (TorchSharp's GroupNorm is constructed without a value)", kept.DoubtOf("norm.weight"));
        Assert.Equal([Warning], InitializationReport.FromJson(kept.ToJson()).Warnings);

        Assert.Empty(new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, seed: 1).Warnings);
        Assert.All(norm.weight!.data<float>().ToArray(), value => Assert.Equal(1, value));
        Assert.All(norm.bias!.data<float>().ToArray(), value => Assert.Equal(0, value));
    }

    /// <summary>A new norm in memory that was full of NaN: it finds them again. Where TorchSharp mends that, the warning can go.</summary>
    private static GroupNorm OverOldMemory()
    {
        for (var i = 0; i < 200; i++)
        {
            Tensor[] old = [.. Enumerable.Range(0, 20).Select(_ => full([64], double.NaN))];
            foreach (var tensor in old) tensor.Dispose();
            var norm = nn.GroupNorm(8, 64);
            using var weight = norm.weight!.isnan();
            using var any = weight.any();
            if (any.item<bool>()) return norm;
            norm.Dispose();
        }

        Assert.Fail("GroupNorm no longer finds old values in its memory; the test shows nothing");
        return null!;
    }
}
