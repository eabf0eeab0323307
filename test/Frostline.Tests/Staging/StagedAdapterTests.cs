using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging;

[Collection(LibTorchCollection.Name)]
public sealed class StagedAdapterTests
{
    [Fact]
    public void Names_modes_types_and_results_stay_the_modules_own()
    {
        using var scope = NewDisposeScope();
        var module = new Foreign();
        var names = module.named_parameters().Select(p => p.name).ToList();
        using var staged = Adapt(module);
        Assert.Equal(names, staged.named_parameters().Select(p => p.name));
        var image = torch.randn(2, 3, 4, 4);
        staged.eval();
        Assert.False(module.training);
        Assert.False(module.body.training);
        Assert.True(staged.forward(image).Equals(module.forward(image)));
        staged.to(float64);
        Assert.Equal(float64, module.head.weight.dtype);
        Assert.Equal(float64, staged.forward(image.to(float64)).dtype);
    }

    [Fact]
    public void It_trains()
    {
        using var scope = NewDisposeScope();
        using var staged = Adapt(new Foreign());
        staged.forward(torch.randn(2, 3, 4, 4)).sum().backward();
        Assert.All(staged.parameters(), p => Assert.NotNull(p.grad));
        Assert.Equal("head", FrostLine.Find(staged, ["head.bias"])!.Name);
    }

    [Fact]
    public void Its_cost_is_unknown_without_shapes_and_known_with_them()
    {
        using var staged = Adapt(new Foreign());
        Assert.Contains("\"body\"", Assert.Throws<FrostlineException>(() => NetworkCost.Of(staged, 2, 3, 4, 4)).Message, StringComparison.Ordinal);
        var module = new Foreign();
        using var told = new StagedAdapter(module, [
            new Stage("body", "image", [module.body], (operations, x) => operations.Call(module.body, x)),
            Stage.FromFunction("head", "body", [module.head], x => module.head.call(x.flatten(1)), "logits", shapes => [[shapes[0][0], 5]]),
        ]);
        Assert.Equal([2L, 5], NetworkCost.Of(told, 2, 3, 4, 4).Stages[^1].Outputs[0].Shape);
    }

    [Fact]
    public void A_tensor_directly_on_the_module_is_refused()
    {
        using var module = new Foreign();
        module.register_buffer("scale", torch.ones(1));
        Assert.Contains("\"scale\"", Assert.Throws<FrostlineException>(() => Adapt(module)).Message, StringComparison.Ordinal);
    }

    private static StagedAdapter Adapt(Foreign module) => new(module, [
        Stage.FromFunction("body", "image", [module.body], module.body.call),
        Stage.FromFunction("head", "body", [module.head], x => module.head.call(x.flatten(1)), write: "logits"),
    ]);

    private sealed class Foreign : nn.Module<Tensor, Tensor>
    {
        public readonly Sequential body = nn.Sequential(nn.Conv2d(3, 4, 3, padding: 1), nn.BatchNorm2d(4), nn.ReLU());
        public readonly Linear head = nn.Linear(64, 5);

        public Foreign()
            : base(nameof(Foreign)) => RegisterComponents();

        public override Tensor forward(Tensor input) => head.call(body.call(input).flatten(1));
    }
}
