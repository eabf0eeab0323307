using System.Text.RegularExpressions;
using Frostline.Selection;

namespace Frostline.Initialization;

/// <summary>
/// A named set of initializers by layer type and role: which layer's parameters and statistics are drawn how. Of several that
/// choose a tensor, the last counts. Immutable: every method returns a new scheme, so a network brings its own by adding to one
/// of these.
/// </summary>
public sealed partial class InitializationScheme
{
    private readonly IReadOnlyList<Rule> _rules;

    /// <summary>Creates a scheme without initializers.</summary>
    /// <param name="name">Its name in recipes and reports.</param>
    public InitializationScheme(string name)
        : this(name, [])
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
    }

    private InitializationScheme(string name, IReadOnlyList<Rule> rules) => (Name, _rules) = (name, rules);

    /// <summary>The name in recipes and reports.</summary>
    public string Name { get; }

    /// <summary>
    /// PyTorch's defaults, layer by layer (each layer's <c>reset_parameters</c>): convolutions, transposed and deformable ones too, and
    /// linear layers <c>kaiming_uniform(a = sqrt(5))</c>, which is uniform within 1 / sqrt(fan in), with their bias in the
    /// same range; norms weight 1 and bias 0, running mean 0, running variance 1, counter 0; embeddings normal(0, 1); PReLU
    /// 0.25.
    /// </summary>
    public static InitializationScheme PyTorch { get; } = new InitializationScheme("pytorch")
        .Add(["Convolution", "ConvolutionTranspose", "DeformableConvolution", "Linear"], "weight", new KaimingUniform(slope: Math.Sqrt(5)))
        .Add(["Convolution", "ConvolutionTranspose", "DeformableConvolution", "Linear"], "bias", new FanInBias())
        .Add(["Embedding", "EmbeddingBag"], "weight", new Normal())
        .Add(["PReLU"], "weight", new Constant(0.25))
        .Add(Norms, "weight", Constant.Ones)
        .Add(Norms, "bias", Constant.Zeros)
        .Add(Norms, "running_mean", Constant.Zeros)
        .Add(Norms, "running_var", Constant.Ones)
        .Add(Norms, "num_batches_tracked", Constant.Zeros);

    /// <summary>
    /// torchvision's ResNet: convolutions Kaiming normal with fan out and the gain of ReLU, norms 1 and 0, linear layers
    /// PyTorch's default (He et al., "Deep Residual Learning for Image Recognition", 2015, as in
    /// <c>torchvision.models.resnet</c>).
    /// </summary>
    public static InitializationScheme ResNet { get; } = PyTorch.Named("resnet")
        .Add(["Convolution"], "weight", new KaimingNormal(FanMode.Out, Nonlinearity.Relu));

    /// <summary>
    /// <see cref="ResNet"/> with the weight of the last norm of every residual branch 0, so that each block starts as the
    /// identity (Goyal et al., "Accurate, Large Minibatch SGD", 2017; torchvision's <c>zero_init_residual</c>). A block is a
    /// module called <c>layerN.M</c>; its last norm is <c>bn3</c> where it has one, otherwise <c>bn2</c>.
    /// </summary>
    public static InitializationScheme ResNetZeroResidual { get; } = ResNet.Named("resnet-zero-residual")
        .Add(LastNorms, Constant.Zeros);

    /// <summary>
    /// torchvision's SqueezeNet: convolutions Kaiming uniform (fan in, gain of ReLU), the classifier's convolution
    /// (<c>classifier.1</c>) normal with deviation 0.01, every bias 0.
    /// </summary>
    public static InitializationScheme SqueezeNet { get; } = PyTorch.Named("squeezenet")
        .Add(["Convolution"], "weight", new KaimingUniform())
        .Add(["Convolution"], "bias", Constant.Zeros)
        .Add("type:Convolution & **.classifier.1.weight", new Normal(0, 0.01));

    /// <summary>
    /// HRNet's for human pose: convolutions and transposed ones normal with deviation 0.001 and bias 0, norms 1 and 0 (Sun et al., "Deep
    /// High-Resolution Representation Learning for Human Pose Estimation", 2019, as in its published code). The values are small: before
    /// training, and in inference mode, heatmaps are almost 0.
    /// </summary>
    public static InitializationScheme HRNet { get; } = PyTorch.Named("hrnet")
        .Add(["Convolution", "ConvolutionTranspose"], "weight", new Normal(0, 0.001))
        .Add(["Convolution", "ConvolutionTranspose"], "bias", Constant.Zeros);

    /// <summary>The schemes that recipes can name; networks add their own.</summary>
    public static IReadOnlyList<InitializationScheme> All { get; } = [PyTorch, ResNet, ResNetZeroResidual, SqueezeNet, HRNet];

    private static IReadOnlyList<string> Norms => ["BatchNorm", "InstanceNorm", "LayerNorm", "GroupNorm", "FrozenBatchNorm"];

    /// <summary>Finds a scheme of <see cref="All"/> by name.</summary>
    /// <exception cref="InitializationException">There is none of this name.</exception>
    public static InitializationScheme Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return All.FirstOrDefault(scheme => scheme.Name == name) ?? throw new InitializationException(
            $"there is no initialisation scheme \"{name}\"{NearestNames.Hint(name, All.Select(scheme => scheme.Name))}");
    }

    /// <summary>The same initializers under another name.</summary>
    public InitializationScheme Named(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new InitializationScheme(name, _rules);
    }

    /// <summary>
    /// This scheme with one more initializer, which goes before all earlier ones: for a role in layers of some types.
    /// </summary>
    /// <param name="types">
    /// The layers' types, as <c>type:</c> of a selector names them; base types include what derives from them.
    /// </param>
    /// <param name="role">
    /// The parameter's or buffer's name inside its layer, for example <c>weight</c>; those of layers within are not meant.
    /// </param>
    /// <param name="initializer">What draws them.</param>
    public InitializationScheme Add(IReadOnlyList<string> types, string role, Initializer initializer)
    {
        ArgumentNullException.ThrowIfNull(types);
        ArgumentException.ThrowIfNullOrEmpty(role);
        return Add(tree => OfLayers(tree, types, role), initializer);
    }

    /// <summary>This scheme with one more initializer, which goes before all earlier ones.</summary>
    /// <param name="selector">Which parameters and buffers; may match nothing in a particular network.</param>
    /// <param name="initializer">What draws them.</param>
    /// <exception cref="SelectionException">The selector cannot be read.</exception>
    public InitializationScheme Add(string selector, Initializer initializer)
    {
        var parsed = Selector.Parse(selector);
        return Add(tree => parsed.Select(tree).Tensors, initializer);
    }

    /// <summary>This scheme with one more initializer, for choices that a selector cannot state.</summary>
    /// <param name="choose">The names of the parameters and buffers, from the network's tree.</param>
    /// <param name="initializer">What draws them.</param>
    public InitializationScheme Add(Func<SelectionTree, IEnumerable<string>> choose, Initializer initializer)
    {
        ArgumentNullException.ThrowIfNull(choose);
        ArgumentNullException.ThrowIfNull(initializer);
        return new InitializationScheme(Name, [.. _rules, new Rule(choose, initializer)]);
    }

    /// <summary>The initializer of every tensor that the scheme knows, by the tensor's name.</summary>
    /// <param name="tree">The network's tree.</param>
    public IReadOnlyDictionary<string, Initializer> Resolve(SelectionTree tree)
    {
        var initializers = new Dictionary<string, Initializer>(StringComparer.Ordinal);
        foreach (var rule in _rules)
            foreach (var name in rule.Choose(tree))
                initializers[name] = rule.Initializer;
        return initializers;
    }

    private static IEnumerable<string> OfLayers(SelectionTree tree, IReadOnlyList<string> types, string role)
    {
        var names = tree.Nodes.Where(node => node.Kind != NodeKind.Module).Select(node => node.Name)
            .ToHashSet(StringComparer.Ordinal);
        return tree.Nodes
            .Where(node => node.Kind == NodeKind.Module && node.Types.Any(type => types.Contains(type, StringComparer.Ordinal)))
            .Select(node => node.Name.Length == 0 ? role : $"{node.Name}.{role}")
            .Where(names.Contains);
    }

    private static IEnumerable<string> LastNorms(SelectionTree tree)
    {
        var parameters = tree.Nodes.Where(node => node.Kind == NodeKind.Parameter).Select(node => node.Name)
            .ToHashSet(StringComparer.Ordinal);
        foreach (var block in tree.Nodes.Where(node => node.Kind == NodeKind.Module && ResidualBlock().IsMatch(node.Name)))
        {
            var last = $"{block.Name}.bn3.weight";
            if (!parameters.Contains(last)) last = $"{block.Name}.bn2.weight";
            if (parameters.Contains(last)) yield return last;
        }
    }

    [GeneratedRegex(
        @"(^|\.)layer\d+\.\d+$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ResidualBlock();

    private sealed record Rule(Func<SelectionTree, IEnumerable<string>> Choose, Initializer Initializer);
}
