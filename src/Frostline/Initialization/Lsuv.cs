using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Initialization;

/// <summary>How far <see cref="Lsuv"/> goes.</summary>
public sealed class LsuvOptions
{
    /// <summary>How far a layer's output variance may be from 1. Default 0.1, as in the paper's experiments.</summary>
    public double Tolerance { get; init; } = 0.1;

    /// <summary>How often a layer is measured at the most, from 1. Default 10.</summary>
    public int Iterations { get; init; } = 10;
}

/// <summary>What became of one layer.</summary>
/// <param name="Name">The layer's name.</param>
/// <param name="Weight">The name of its weight.</param>
/// <param name="Factor">What its weight was multiplied by.</param>
/// <param name="Before">The variance of its output before, with all layers below already scaled.</param>
/// <param name="After">The variance of its output after.</param>
public sealed record LsuvLayer(string Name, string Weight, double Factor, double Before, double After);

/// <summary>What <see cref="Lsuv.Run"/> did.</summary>
/// <param name="Selector">What was selected.</param>
/// <param name="Layers">The layers in the order in which the network calls them.</param>
public sealed record LsuvResult(string Selector, IReadOnlyList<LsuvLayer> Layers);

/// <summary>
/// Layer-sequential unit variance (Mishkin and Matas, "All you need is a good init", 2016, algorithm 1): layer by layer in the order of
/// the forward pass, each weight is divided by the standard deviation of the layer's output over one batch until the output's
/// variance is 1 to within a tolerance. Draw the weights orthogonal first, as the paper does.
/// </summary>
public static class Lsuv
{
    /// <summary>Scales the weights of convolutions and linear layers. On an error they are as they were.</summary>
    /// <param name="network">The network.</param>
    /// <param name="selector">Which layers; other modules that it selects are ignored.</param>
    /// <param name="forward">
    /// Runs one batch through the network, the same one each time, once or several times for each layer; called without gradients, in inference mode and
    /// inside a dispose scope.
    /// </param>
    /// <param name="options">Tolerance and iterations; null for the defaults.</param>
    /// <returns>What was scaled; <see cref="InitializationReport.WithScaled"/> records it.</returns>
    /// <exception cref="SelectionException">The selector matches nothing.</exception>
    /// <exception cref="InitializationException">
    /// It selects no such layer, a layer is not called (hooks do not see <c>forward</c>, only <c>call</c>), or its output has no
    /// variance, or an infinite one.
    /// </exception>
    public static LsuvResult Run(torch.nn.Module network, string selector, Action forward, LsuvOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(forward);
        options ??= new LsuvOptions();
        if (!(options.Tolerance > 0))
            throw new ArgumentOutOfRangeException(nameof(options), options.Tolerance, "the tolerance is greater than 0");
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Iterations, 1, nameof(options));
        var tree = ModuleTree.Of(network);
        var layers = Layers(tree, selector);
        var modes = tree.Modules.Select(entry => (entry.Module, entry.Module.training)).ToList();
        var before = layers.Select(layer => TensorBytes.Read(layer.Weight)).ToList();
        var done = false;
        using var none = torch.no_grad();
        try
        {
            network.eval();
            var results = InOrder(layers, selector, forward).Select(layer => Scale(layer, forward, options)).ToList();
            done = true;
            return new LsuvResult(selector, results);
        }
        finally
        {
            for (var i = 0; !done && i < layers.Count; i++) TensorBytes.Write(layers[i].Weight, before[i]);
            foreach (var (module, training) in modes) module.train(training);
        }
    }

    /// <summary>What <see cref="Run"/> would scale; nothing is run or changed, and factors and variances are NaN.</summary>
    /// <param name="network">The network.</param>
    /// <param name="selector">Which layers; other modules that it selects are ignored.</param>
    /// <exception cref="SelectionException">The selector matches nothing.</exception>
    /// <exception cref="InitializationException">It selects no convolution or linear layer.</exception>
    public static LsuvResult Preview(torch.nn.Module network, string selector)
    {
        ArgumentNullException.ThrowIfNull(network);
        return new LsuvResult(
            selector,
            [.. Layers(ModuleTree.Of(network), selector).Select(layer => new LsuvLayer(layer.Name, layer.WeightName, double.NaN, double.NaN, double.NaN))]);
    }

    private static List<Layer> Layers(ModuleTree tree, string selector)
    {
        var chosen = Selector.Parse(selector).Require(tree.Selection);
        var layers = new List<Layer>();
        foreach (var entry in tree.Modules)
        {
            if (entry.AliasOf is not null || entry.Module is not (Convolution or Linear)) continue;
            var name = entry.Name.Length == 0 ? "weight" : $"{entry.Name}.weight";
            if (!chosen.Modules.Contains(entry.Name) && !chosen.Tensors.Contains(name)) continue;
            // A tied weight is scaled where it comes first; a second time would undo that.
            if (tree.Find(name) is { AliasOf: null } weight)
                layers.Add(new Layer(entry.Name, name, (torch.nn.Module<torch.Tensor, torch.Tensor>)entry.Module, weight.Tensor));
        }

        return layers.Count > 0 ? layers : throw new InitializationException(
            $"\"{selector}\" selects no convolution and no linear layer; nothing to scale");
    }

    /// <summary>The layers in the order in which the forward pass reaches them.</summary>
    private static List<Layer> InOrder(List<Layer> layers, string selector, Action forward)
    {
        var reached = new List<Layer>();
        var hooks = layers.Select(layer => layer.Module.register_forward_hook((_, _, output) =>
        {
            if (!reached.Contains(layer)) reached.Add(layer);
            return output;
        })).ToList();
        try
        {
            Forward(forward);
        }
        finally
        {
            foreach (var hook in hooks) hook.remove();
        }

        var missed = layers.Except(reached).FirstOrDefault();
        return missed is null ? reached : throw new InitializationException(
            $"\"{selector}\" selects {missed.Name}, which the forward pass does not call; leave it out, or have its module call it by call() instead of forward()");
    }

    private static LsuvLayer Scale(Layer layer, Action forward, LsuvOptions options)
    {
        var (factor, first, variance) = (1.0, double.NaN, double.NaN);
        for (var i = 0; i <= options.Iterations; i++)
        {
            variance = Measure(layer, forward);
            if (i == 0) first = variance;
            if (!(variance > 0) || !double.IsFinite(variance))
            {
                throw new InitializationException(
                    FormattableString.Invariant($"the output of {layer.Name} has the variance {variance}; draw its weight, and those of the layers before it, first"));
            }

            if (Math.Abs(variance - 1) < options.Tolerance || i == options.Iterations) break;
            var scale = 1 / Math.Sqrt(variance);
            using Scalar held = scale;
            layer.Weight.mul_(held);
            factor *= scale;
        }

        return new LsuvLayer(layer.Name, layer.WeightName, factor, first, variance);
    }

    /// <summary>The variance (divided by n) of all elements of the layer's output, in float64; of the first call where there are several.</summary>
    private static double Measure(Layer layer, Action forward)
    {
        double? variance = null;
        var hook = layer.Module.register_forward_hook((_, _, output) =>
        {
            if (variance is not null) return output;
            using var exact = output.to(torch.float64);
            using var measured = exact.var(unbiased: false);
            variance = BitConverter.ToDouble(TensorBytes.Read(measured));
            return output;
        });
        try
        {
            Forward(forward);
        }
        finally
        {
            hook.remove();
        }

        return variance ?? double.NaN;
    }

    private static void Forward(Action forward)
    {
        using var scope = torch.NewDisposeScope();
        forward();
    }

    private sealed record Layer(string Name, string WeightName, torch.nn.Module<torch.Tensor, torch.Tensor> Module, torch.Tensor Weight);
}
