using Frostline.Initialization;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

/// <summary>The kernel through which a deformable convolution starts as the identity.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class IdentityKernelTests
{
    [Theory]
    [InlineData(ScalarType.Float32, 1, 1)]
    [InlineData(ScalarType.Float64, 3, 3)]
    [InlineData(ScalarType.BFloat16, 2, 3)]
    public void Without_offsets_the_input_comes_out(ScalarType type, int groups, int dilation)
    {
        // Where the offsets are 0 a deformable convolution samples where a plain one does.
        using var layer = nn.Conv2d(6, 6, 3, padding: dilation, dilation: dilation, groups: groups);
        layer.to(type);
        new InitializationPlan().Draw("weight", new IdentityKernel(groups)).Set("bias", 0).Apply(layer, 1);
        using var input = rand([2, 6, 8, 7], ScalarType.Float32, generator: new Generator(1)).to(type);
        using var output = layer.call(input);
        Assert.True(output.Equals(input));
    }

    [Fact]
    public void A_mask_of_one_half_is_made_up_for()
    {
        using var layer = nn.Conv2d(4, 4, 3, padding: 1, bias: false);
        new InitializationPlan().Draw("weight", Initializers.Parse("identity-kernel(groups: 1, scale: 2)")).Apply(layer, 1);
        using var input = rand([1, 4, 5, 5], generator: new Generator(1));
        using var half = zeros_like(input).sigmoid();
        using var masked = input * half;
        using var output = layer.call(masked);
        Assert.True(output.Equals(input));
    }

    [Fact]
    public void What_cannot_be_an_identity_is_refused()
    {
        string Fails(nn.Module layer, IdentityKernel kernel)
        {
            using (layer) return Assert.Throws<InitializationException>(() => new InitializationPlan().Draw("weight", kernel).Apply(layer, 1)).Message;
        }

        Assert.Contains("needs as many outputs as inputs, which are 4 in 1 groups", Fails(nn.Conv2d(4, 6, 3), new IdentityKernel()), StringComparison.Ordinal);
        Assert.Contains("which are 4 in 2 groups", Fails(nn.Conv2d(2, 6, 3), new IdentityKernel(2)), StringComparison.Ordinal);
        Assert.Contains("odd kernel sizes", Fails(nn.Conv2d(4, 4, 2), new IdentityKernel()), StringComparison.Ordinal);
        Assert.Contains("needs 4 dimensions", Fails(nn.Linear(4, 4), new IdentityKernel()), StringComparison.Ordinal);
        Assert.Throws<InitializationException>(() => new IdentityKernel(0));
    }
}
