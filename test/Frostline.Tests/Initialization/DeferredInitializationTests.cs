using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Selection;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

[Collection(LibTorchCollection.Name)]
public sealed class DeferredInitializationTests
{
    [Fact]
    public void Parameters_have_no_memory_until_a_plan_gives_them_values()
    {
        using var network = DeferredInitialization.Construct(() => new ConvNorm());
        Assert.All(Parameters(network), parameter => Assert.Equal(DeviceType.META, parameter.device_type));
        var weight = network.Conv.weight;

        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, seed: 3);
        Assert.Same(weight, network.Conv.weight);
        Assert.All(Parameters(network), parameter => Assert.Equal(DeviceType.CPU, parameter.device_type));

        using var usual = new ConvNorm();
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(usual, seed: 3);
        foreach (var entry in ModuleTree.Of(usual).Tensors)
        {
            var same = ModuleTree.Of(network).Find(entry.Name)!.Tensor;
            Assert.Equal(TensorBytes.Read(entry.Tensor), TensorBytes.Read(same));
            Assert.Equal(entry.Tensor.requires_grad, same.requires_grad);
        }

        using var input = ones(1, 2, 5, 5);
        using var loss = network.call(input).sum();
        loss.backward();
        Assert.NotNull(network.Conv.weight!.grad);
    }

    [Fact]
    public void A_model_file_fills_a_network_that_was_never_drawn()
    {
        using var folder = new TemporaryFolder();
        using var usual = new ConvNorm();
        usual.Norm.running_mean!.fill_(0.25);
        ModelFile.Save(usual, folder.PathOf("m.safetensors"));
        using var network = DeferredInitialization.Construct(() => new ConvNorm());
        ModelFile.Load(network, folder.PathOf("m.safetensors"));
        Assert.Equal(
            ModuleTree.Of(usual).Tensors.Select(entry => Convert.ToHexString(TensorBytes.Read(entry.Tensor))),
            ModuleTree.Of(network).Tensors.Select(entry => Convert.ToHexString(TensorBytes.Read(entry.Tensor))));
    }

    [Fact]
    public void Nothing_can_be_kept_that_was_never_there_and_a_refused_plan_changes_nothing()
    {
        using var network = DeferredInitialization.Construct(() => new ConvNorm());
        var error = Assert.Throws<InitializationException>(
            () => new InitializationPlan().Draw("conv", InitializationScheme.PyTorch).Apply(network, seed: 1));
        Assert.Contains("norm.weight was constructed without a value", error.Message, StringComparison.Ordinal);
        Assert.All(Parameters(network), parameter => Assert.Equal(DeviceType.META, parameter.device_type));
    }

    [Fact]
    public void A_tied_parameter_stays_tied()
    {
        using var network = DeferredInitialization.Construct(() => new TiedNetwork());
        new InitializationPlan().Draw("**", InitializationScheme.PyTorch).Apply(network, seed: 1);
        using var usual = new TiedNetwork();
        Assert.Equal(
            ModuleTree.Of(usual).Tensors.Select(entry => (entry.Name, entry.AliasOf)), ModuleTree.Of(network).Tensors.Select(entry => (entry.Name, entry.AliasOf)));
    }

    [Fact]
    public void What_a_constructor_computes_is_not_lost()
    {
        using var buffers = DeferredInitialization.Construct(() => new SmallNetwork());
        using var grid = ModuleTree.Of(buffers).Find("grid")!.Tensor.clone();
        Assert.Equal([0f, 1, 2, 3, 4], grid.data<float>().ToArray());

        using var plain = DeferredInitialization.Construct(() => new Unregistered());
        Assert.Equal(3, plain.Scale.Number());

        using var reading = DeferredInitialization.Construct(() => new Reading());
        Assert.Equal(2, reading.Two);
        Assert.Equal(DeviceType.CPU, get_default_device().type);
    }

    private static List<Tensor> Parameters(nn.Module network) =>
        [.. ModuleTree.Of(network).Tensors.Where(entry => entry.Kind == NodeKind.Parameter).Select(entry => entry.Tensor)];

    private sealed class ConvNorm : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv;
        private readonly BatchNorm2d norm;

        public ConvNorm()
            : base(nameof(ConvNorm))
        {
            conv = nn.Conv2d(2, 3, 3);
            norm = nn.BatchNorm2d(3);
            RegisterComponents();
        }

        public Conv2d Conv => conv;

        public BatchNorm2d Norm => norm;

        public override Tensor forward(Tensor input) => norm.call(conv.call(input));
    }

    private sealed class Unregistered : nn.Module<Tensor, Tensor>
    {
        private readonly Tensor[] _scales = [full([], 3f)];
        private readonly Linear fc;

        public Unregistered()
            : base(nameof(Unregistered))
        {
            fc = nn.Linear(2, 2);
            RegisterComponents();
        }

        public Tensor Scale => _scales[0];

        public override Tensor forward(Tensor input) => fc.call(input) * _scales[0];
    }

    private sealed class Reading : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc;

        public Reading()
            : base(nameof(Reading))
        {
            using var numbers = ones(2);
            using var sum = numbers.sum();
            Two = sum.cpu().data<float>()[0];
            fc = nn.Linear(2, 2);
            RegisterComponents();
        }

        public float Two { get; }

        public override Tensor forward(Tensor input) => fc.call(input);
    }
}
