using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Bench;

/// <summary>
/// A network with about as many parameters as HRNet-W48 (63.6 million, 255 MB), of the same kinds: 3x3 convolutions of 48, 96, 192
/// and 384 channels, each with its norm.
/// </summary>
internal sealed class WideNetwork : nn.Module<Tensor, Tensor>
{
    /// <summary>Channels, and how many layers have them.</summary>
    public static readonly (int Channels, int Layers)[] Plan = [(48, 72), (96, 72), (192, 72), (384, 24)];

    private readonly ModuleList<Layer> layers;

    public WideNetwork()
        : base(nameof(WideNetwork))
    {
        layers = nn.ModuleList([.. Plan.SelectMany(part => Enumerable.Range(0, part.Layers).Select(_ => new Layer(part.Channels)))]);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => throw new NotSupportedException("The network is only loaded.");

    private sealed class Layer : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv;
        private readonly BatchNorm2d norm;

        public Layer(int channels)
            : base(nameof(Layer))
        {
            conv = nn.Conv2d(channels, channels, 3, padding: 1, bias: false);
            norm = nn.BatchNorm2d(channels);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => norm.call(conv.call(input));
    }
}
