using Frostline.Freezing;
using Frostline.Testing;
using Frostline.Vision.Networks;
using Xunit;

namespace Frostline.Vision.Tests.Freezing;

[Collection(LibTorchCollection.Name)]
public sealed class FrostLineTests
{
    [Fact]
    public void The_frost_line_is_the_first_stage_that_can_change()
    {
        using var network = new ResNet(ResNetDepth.ResNet18, classes: 10);
        Assert.Equal("layer4", Plan().Preview(network).FrostLine);
        Assert.Equal("layer4", new FreezePlan().Freeze("stage:..layer3").Preview(network).FrostLine);
        // A single norm that moves is enough.
        Assert.Equal("layer2", new FreezePlan().Freeze("**").Train("layer4").Norm("layer2.0.bn1", NormPolicy.Move).Preview(network).FrostLine);
        Assert.Equal("stem", new FreezePlan().Parameters("**", trained: false).Preview(network).FrostLine);
        Assert.Null(new FreezePlan().Freeze("**").Preview(network).FrostLine);

        var plan = Plan().Preview(network);
        Assert.Equal(plan.Parameters, plan.Stages.Sum(stage => stage.TrainedParameters + stage.FrozenParameters));
        Assert.Equal(plan.Parameters, network.parameters().Sum(parameter => parameter.numel()));
    }

    private static FreezePlan Plan() => new FreezePlan().Freeze("**").Train("layer4 | fc");
}
