using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Bench.Comparison.Sides;

/// <summary>
/// An HRNet for pose as it is written in plain TorchSharp, with the published names: activations in place, and every tensor disposed as soon as
/// nothing reads it any more.
/// </summary>
internal sealed class PlainHRNet : nn.Module<Tensor, Tensor>, IPlainNetwork
{
    private readonly Func<Tensor, Tensor> _stem;
    private readonly Sequential layer1;
    private readonly PlainList[] _transitions;
    private readonly Fusion[][] _stages;
    private readonly Conv2d final_layer;

    public PlainHRNet(int width, int joints)
        : base(nameof(PlainHRNet))
    {
        var (conv1, bn1) = (nn.Conv2d(3, 64, 3, stride: 2, padding: 1, bias: false), nn.BatchNorm2d(64));
        var (conv2, bn2) = (nn.Conv2d(64, 64, 3, stride: 2, padding: 1, bias: false), nn.BatchNorm2d(64));
        register_module("conv1", conv1);
        register_module("bn1", bn1);
        register_module("conv2", conv2);
        register_module("bn2", bn2);
        _stem = images => conv1.call(images).Then(bn1.call).relu_().Then(conv2.call).Then(bn2.call).relu_();
        layer1 = nn.Sequential(Enumerable.Range(0, 4).Select(i => (nn.Module<Tensor, Tensor>)new PlainBottleneck(i == 0 ? 64 : 256, 64, 1)));
        register_module("layer1", layer1);
        int[] modules = [1, 4, 3];
        _transitions = new PlainList[3];
        _stages = new Fusion[3][];
        for (var i = 0; i < 3; i++)
        {
            var branches = i + 2;
            _transitions[i] = Transition(i, width);
            register_module($"transition{i + 1}", _transitions[i]);
            _stages[i] = [.. Enumerable.Range(0, modules[i]).Select(m => new Fusion(width, branches, i == 2 && m == modules[i] - 1 ? 1 : branches))];
            register_module($"stage{i + 2}", new PlainList([.. _stages[i].Index()]));
        }

        final_layer = nn.Conv2d(width, joints, 1);
        register_module("final_layer", final_layer);
    }

    /// <inheritdoc/>
    public nn.Module LastLayer => _stages[2][^1];

    /// <inheritdoc/>
    public nn.Module<Tensor, Tensor> Head => final_layer;

    public override Tensor forward(Tensor input)
    {
        using var features = Features(input);
        return final_layer.call(features);
    }

    /// <summary>What the head reads, [N, width, H / 4, W / 4].</summary>
    public Tensor Features(Tensor images)
    {
        List<Tensor> x = [_stem(images).Then(layer1.call)];
        for (var i = 0; i < 3; i++)
        {
            var added = _transitions[i].Of(i + 1)!.call(x[^1]);
            if (i == 0) x[0] = x[0].Then(_transitions[0].Of(0)!.call);
            x.Add(added);
            foreach (var module in _stages[i]) x = module.Run(x);
        }

        return x[0];
    }

    private static PlainList Transition(int number, int width)
    {
        var read = number == 0 ? 256 : width << number;
        var added = nn.Sequential(ConvolutionNorm(read, width << (number + 1), 2, relu: true));
        return number == 0
            ? new PlainList((0, nn.Sequential(nn.Conv2d(256, width, 3, padding: 1, bias: false), nn.BatchNorm2d(width), nn.ReLU(inplace: true))), (1, added))
            : new PlainList((number + 1, added));
    }

    private static Sequential ConvolutionNorm(int inputs, int outputs, int stride, bool relu)
    {
        var layers = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride: stride, padding: 1, bias: false), nn.BatchNorm2d(outputs));
        return relu ? layers.append(nn.ReLU(inplace: true)) : layers;
    }

    /// <summary>Modules by number, some left out.</summary>
    private sealed class PlainList : nn.Module
    {
        private readonly Dictionary<int, nn.Module> _items = [];

        public PlainList(params IReadOnlyList<(int Number, nn.Module Module)> items)
            : base("ModuleList")
        {
            foreach (var (number, module) in items)
            {
                _items.Add(number, module);
                register_module($"{number}", module);
            }
        }

        public nn.Module<Tensor, Tensor>? Of(int number) => (nn.Module<Tensor, Tensor>?)_items.GetValueOrDefault(number);
    }

    /// <summary>Branches of four blocks each, and the exchange between them.</summary>
    private sealed class Fusion : nn.Module
    {
        private readonly Sequential[] _branches;
        private readonly PlainList[] _fuses;

        public Fusion(int width, int branches, int outputs)
            : base(nameof(Fusion))
        {
            _branches = [.. Enumerable.Range(0, branches).Select(i => nn.Sequential(
                Enumerable.Range(0, 4).Select(_ => (nn.Module<Tensor, Tensor>)new PlainBasicBlock(width << i))))];
            _fuses = [.. Enumerable.Range(0, outputs).Select(to => new PlainList(
                [.. Enumerable.Range(0, branches).Where(from => from != to).Select(from => (from, (nn.Module)Fuse(width, from, to)))]))];
            register_module("branches", new PlainList([.. _branches.Index()]));
            register_module("fuse_layers", new PlainList([.. _fuses.Index()]));
        }

        /// <summary>Computes, and disposes what it is given.</summary>
        public List<Tensor> Run(List<Tensor> x)
        {
            var y = x.Zip(_branches, (input, branch) => input.Then(branch.call)).ToList();
            var outputs = new List<Tensor>();
            using Scalar one = 1;
            for (var to = 0; to < _fuses.Length; to++)
            {
                Tensor? sum = null;
                for (var from = 0; from < y.Count; from++)
                {
                    var term = Term(y, from, to);
                    sum = sum is null ? (from == to ? term.clone() : term) : sum.add_(term, one);
                    if (from != to && !ReferenceEquals(sum, term)) term.Dispose();
                }

                outputs.Add(sum!.relu_());
            }

            foreach (var tensor in y) tensor.Dispose();
            return outputs;
        }

        private Tensor Term(List<Tensor> y, int from, int to)
        {
            if (_fuses[to].Of(from) is not { } fuse) return y[from];
            var term = fuse.call(y[from]);
            return from < to ? term : term.Then(small => nn.functional.interpolate(small, [y[to].shape[2], y[to].shape[3]]));
        }

        private static Sequential Fuse(int width, int from, int to)
        {
            var (read, written) = (width << from, width << to);
            if (from > to) return nn.Sequential(nn.Conv2d(read, written, 1, bias: false), nn.BatchNorm2d(written));
            return nn.Sequential(Enumerable.Range(from, to - from).Select(step =>
                (nn.Module<Tensor, Tensor>)ConvolutionNorm(read, step + 1 == to ? written : read, 2, relu: step + 1 < to)));
        }
    }
}

/// <summary>Two 3 x 3 convolutions beside the identity.</summary>
internal sealed class PlainBasicBlock : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d conv1;
    private readonly BatchNorm2d bn1;
    private readonly Conv2d conv2;
    private readonly BatchNorm2d bn2;

    public PlainBasicBlock(int width)
        : base(nameof(PlainBasicBlock))
    {
        conv1 = nn.Conv2d(width, width, 3, padding: 1, bias: false);
        bn1 = nn.BatchNorm2d(width);
        conv2 = nn.Conv2d(width, width, 3, padding: 1, bias: false);
        bn2 = nn.BatchNorm2d(width);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using Scalar one = 1;
        return conv1.call(input).Then(bn1.call).relu_().Then(conv2.call).Then(bn2.call).add_(input, one).relu_();
    }
}
