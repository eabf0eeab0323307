using System.Globalization;
using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>What an initializer may know of the tensor that it fills, besides the generator.</summary>
/// <param name="Tensor">The tensor's name, type and shape.</param>
/// <param name="Weight">
/// For a parameter beside a <c>weight</c> in the same module, for example a bias, that weight; otherwise null. Only
/// initializers that need it look at it.
/// </param>
public sealed record InitializationTarget(TensorInfo Tensor, TensorInfo? Weight = null);

/// <summary>
/// Gives a tensor its values: a pure function of the tensor's shape and the generator. Values are computed in float64 and
/// rounded once, to the nearest, to the type of the tensor's elements. Its text (<see cref="ToString"/>) holds all of its
/// settings; <see cref="Initializers.Parse"/> makes the same initializer from it.
/// </summary>
public abstract class Initializer
{
    /// <summary>The name in recipes and reports, in kebab-case, for example <c>kaiming-normal</c>.</summary>
    public abstract string Name { get; }

    /// <summary>
    /// Whether the elements are drawn one after the other in row-major order, so that filling a tensor in consecutive pieces
    /// with one generator gives the same values as filling it at once; default true.
    /// </summary>
    public virtual bool IsElementwise => true;

    /// <summary>The settings, in the order in which they are printed; keys in kebab-case.</summary>
    protected abstract IReadOnlyList<(string Key, string Value)> Settings { get; }

    /// <summary>Checks that the initializer can fill a tensor; does nothing by default.</summary>
    /// <param name="target">The tensor.</param>
    /// <exception cref="InitializationException">The tensor's shape does not suit.</exception>
    public virtual void Check(InitializationTarget target)
    {
    }

    /// <summary>Computes values in row-major order.</summary>
    /// <param name="target">The tensor; <see cref="Check"/> has accepted it.</param>
    /// <param name="values">All of its elements, or the next of them where <see cref="IsElementwise"/> is true.</param>
    /// <param name="random">The generator, at its start for the first elements.</param>
    public abstract void Fill(InitializationTarget target, Span<double> values, CounterRandom random);

    /// <summary>The name with all settings, for example <c>normal(mean: 0, deviation: 0.01)</c>.</summary>
    public sealed override string ToString() =>
        Settings.Count == 0
            ? Name
            : $"{Name}({string.Join(", ", Settings.Select(setting => $"{setting.Key}: {setting.Value}"))})";

    /// <summary>A number as settings print it: the shortest text that reads back to the same value.</summary>
    protected static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    /// <summary>The error that a tensor does not suit.</summary>
    /// <param name="target">The tensor.</param>
    /// <param name="need">What the initializer needs, for example <c>needs at least two dimensions</c>.</param>
    protected InitializationException Unsuitable(InitializationTarget target, string need) => new(
        $"{Name} cannot fill {target.Tensor.Name} of shape {target.Tensor.ShapeText}: it {need}; "
        + "give this tensor another initializer");

    /// <summary>Throws where a setting is not a finite number, or lies below a bound.</summary>
    /// <param name="initializer">The initializer's name.</param>
    /// <param name="key">The setting's key.</param>
    /// <param name="value">Its value.</param>
    /// <param name="least">The least value that is allowed; default none.</param>
    /// <param name="most">The greatest value that is allowed; default none.</param>
    /// <exception cref="InitializationException">The value is not allowed.</exception>
    protected static void Require(
        string initializer,
        string key,
        double value,
        double least = double.NegativeInfinity,
        double most = double.PositiveInfinity)
    {
        if (double.IsFinite(value) && value >= least && value <= most) return;
        var range = (double.IsFinite(least), double.IsFinite(most)) switch
        {
            (true, true) => $" from {Text(least)} to {Text(most)}",
            (true, false) => $" of at least {Text(least)}",
            (false, true) => $" of at most {Text(most)}",
            _ => "",
        };
        throw new InitializationException($"{initializer}: {key} {Text(value)} is not a finite number{range}");
    }
}

/// <summary>Which way of counting a weight's connections sets the scale of a draw.</summary>
public enum FanMode
{
    /// <summary>Inputs of one output: keeps the variance of activations in the forward pass.</summary>
    In,

    /// <summary>Outputs of one input: keeps the variance of gradients in the backward pass.</summary>
    Out,
}

/// <summary>
/// The number of connections of a weight of shape <c>[out, in, …]</c>: <c>In = in * r</c> and <c>Out = out * r</c> with the
/// receptive field <c>r</c>, the product of the dimensions from the third on (as PyTorch's
/// <c>_calculate_fan_in_and_fan_out</c>: a transposed or grouped convolution is counted by its stored shape).
/// </summary>
/// <param name="In">Fan in.</param>
/// <param name="Out">Fan out.</param>
public readonly record struct Fans(double In, double Out)
{
    /// <summary>The fans of a shape, or null where it has fewer than two dimensions.</summary>
    public static Fans? Of(IReadOnlyList<long> shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (shape.Count < 2) return null;
        var receptive = 1.0;
        for (var i = 2; i < shape.Count; i++) receptive *= shape[i];
        return new Fans(shape[1] * receptive, shape[0] * receptive);
    }

    /// <summary>One of the two.</summary>
    public double Of(FanMode mode) => mode == FanMode.In ? In : Out;
}
