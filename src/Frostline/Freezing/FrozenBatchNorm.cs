using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Freezing;

/// <summary>
/// A BatchNorm that cannot be anything but frozen: weight, bias and statistics are buffers, so that there is nothing to train and
/// nothing that moves, in any mode and without a plan. It computes what BatchNorm computes in inference mode, bit for bit; gradients
/// pass through it to its input.
/// </summary>
/// <remarks>
/// <para>
/// Buffers have BatchNorm's names, <c>num_batches_tracked</c> included, so that checkpoints load both ways and converting back is exact.
/// torchvision's <c>FrozenBatchNorm2d</c> has no such counter and drops it from what it loads; its files load here as other old
/// checkpoints without counters do. It also multiplies in another order, so that its results differ in the last bits.
/// </para>
/// <para>
/// A plan needs no replacement: <see cref="FreezePlan"/> holds any BatchNorm in place. Replace where the network leaves Frostline's
/// hands, or where nothing shall be able to train the norms by mistake.
/// </para>
/// </remarks>
public sealed class FrozenBatchNorm : nn.Module<Tensor, Tensor>
{
    // Names, not fields: to() exchanges buffers, and only the module's table is sure to know the new ones.
    private const string WeightName = "weight";
    private const string BiasName = "bias";
    private const string MeanName = "running_mean";
    private const string VarianceName = "running_var";

    /// <summary>Creates a norm that changes nothing until values are loaded: weights and variances 1, biases and means 0.</summary>
    /// <param name="features">The number of channels, at least 1.</param>
    /// <param name="dimensions">For inputs with how many dimensions behind the channels: 1 (or none), 2 or 3; default 2.</param>
    /// <param name="eps">What is added to the variance; default 1e-5.</param>
    /// <param name="momentum">
    /// Not used, but kept for <see cref="ToBatchNorm"/>: the share of a new batch in the statistics, or null for their plain average;
    /// default 0.1.
    /// </param>
    /// <param name="affine">Whether it has a weight and a bias; default true.</param>
    /// <param name="device">Where the buffers lie; default the current device.</param>
    /// <param name="dtype">The type of the buffers; default float32.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public FrozenBatchNorm(
        long features, int dimensions = 2, double eps = 1e-5, double? momentum = 0.1, bool affine = true, Device? device = null, ScalarType? dtype = null)
        : this(features, dimensions, eps, momentum)
    {
        var type = dtype ?? ScalarType.Float32;
        if (affine)
        {
            Register(WeightName, ones([features], type, device));
            Register(BiasName, zeros([features], type, device));
        }

        Register(MeanName, zeros([features], type, device));
        Register(VarianceName, ones([features], type, device));
        Register(ModuleTypes.Counter, zeros([], ScalarType.Int64, device));
    }

    private FrozenBatchNorm(long features, int dimensions, double eps, double? momentum)
        : base(nameof(FrozenBatchNorm))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(features, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dimensions, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dimensions, 3);
        (Features, Dimensions, Epsilon, Momentum) = (features, dimensions, eps, momentum);
    }

    /// <summary>The number of channels.</summary>
    public long Features { get; }

    /// <summary>For inputs with how many dimensions behind the channels: 1 (or none), 2 or 3.</summary>
    public int Dimensions { get; }

    /// <summary>What is added to the variance.</summary>
    public double Epsilon { get; }

    /// <summary>What the BatchNorm has that it is converted to; null for the plain average of all batches. Not used here.</summary>
    public double? Momentum { get; }

    /// <summary>Whether it has a weight and a bias.</summary>
    public bool Affine => Find(WeightName) is not null;

    /// <summary>A frozen copy of a BatchNorm: the same numbers bit for bit, type, device, settings and mode. Hooks are not taken over.</summary>
    /// <param name="norm">A BatchNorm of TorchSharp's that tracks its statistics.</param>
    /// <exception cref="FreezeException">It tracks no statistics, or is of somebody's own type.</exception>
    public static FrozenBatchNorm From(BatchNorm norm)
    {
        ArgumentNullException.ThrowIfNull(norm);
        if (Obstacle(norm) is { } obstacle) throw new FreezeException($"the norm cannot be replaced: it {obstacle}");
        var frozen = new FrozenBatchNorm(norm.num_features, DimensionsOf(norm), norm.eps, norm.momentum);
        using var grad = no_grad();
        foreach (var (name, parameter) in ModuleComponents.Parameters(norm)) frozen.Register(name, parameter.detach().clone());
        foreach (var (name, (buffer, _)) in ModuleComponents.Buffers(norm)) frozen.Register(name, buffer.clone());
        frozen.train(norm.training);
        return frozen;
    }

    /// <summary>
    /// Puts frozen norms into the places of BatchNorms, wherever the network holds them: in Sequential, ModuleList and ModuleDict, in the
    /// fields of modules and in stages. All or nothing. What was replaced is disposed: build optimizers afterwards.
    /// </summary>
    /// <param name="network">The network; no freeze plan may be applied to it.</param>
    /// <param name="selector">Which norms; what else it matches is left alone. Default all.</param>
    /// <returns>The names of the norms, under every name that they have, in the network's order.</returns>
    /// <exception cref="SelectionException">The selector cannot be read or matches nothing.</exception>
    /// <exception cref="FreezeException">
    /// It chooses no BatchNorm; one cannot be replaced (it tracks no statistics, shares a tensor with another module, is the network
    /// itself, or lies where a FrozenBatchNorm does not fit, such as a field declared as BatchNorm2d); or a plan is applied.
    /// </exception>
    public static IReadOnlyList<string> Replace(nn.Module network, string selector = "type:BatchNorm") =>
        NormConversion.Run<BatchNorm>(network, selector, Obstacle, _ => typeof(FrozenBatchNorm), From);

    /// <summary>
    /// Puts BatchNorms back into the places of frozen norms, as <see cref="Replace"/> does it the other way; their weights and biases
    /// require gradients, as those of a new norm do.
    /// </summary>
    /// <param name="network">The network; no freeze plan may be applied to it.</param>
    /// <param name="selector">Which frozen norms; what else it matches is left alone. Default all.</param>
    /// <returns>The names of the norms, under every name that they have, in the network's order.</returns>
    /// <exception cref="SelectionException">The selector cannot be read or matches nothing.</exception>
    /// <exception cref="FreezeException">As of <see cref="Replace"/>.</exception>
    public static IReadOnlyList<string> Revert(nn.Module network, string selector = "type:FrozenBatchNorm") =>
        NormConversion.Run<FrozenBatchNorm>(network, selector, _ => null, norm => norm.BatchNormType, norm => norm.ToBatchNorm());

    /// <summary>A BatchNorm with the same numbers bit for bit, type, device, settings and mode, that can be trained.</summary>
    public BatchNorm ToBatchNorm()
    {
        var (mean, counter) = (Find(MeanName)!, Find(ModuleTypes.Counter));
        // TorchSharp counts in the type that a norm is made with, but in int64, as PyTorch, where none is given.
        ScalarType? type = counter is null || counter.is_integral() ? null : mean.dtype;
        BatchNorm norm = Dimensions switch
        {
            1 => nn.BatchNorm1d(Features, Epsilon, affine: Affine, device: mean.device, dtype: type),
            2 => nn.BatchNorm2d(Features, Epsilon, affine: Affine, device: mean.device, dtype: type),
            _ => nn.BatchNorm3d(Features, Epsilon, affine: Affine, device: mean.device, dtype: type),
        };
        norm.to(mean.dtype);
        norm.momentum = Momentum;
        using var grad = no_grad();
        foreach (var (name, parameter) in ModuleComponents.Parameters(norm)) Fill(parameter, name);
        foreach (var (name, (buffer, _)) in ModuleComponents.Buffers(norm)) Fill(buffer, name);
        norm.train(training);
        return norm;
    }

    /// <summary>Normalises by the running statistics.</summary>
    /// <param name="input"><c>[N, C]</c> or <c>[N, C, L]</c>, <c>[N, C, H, W]</c>, or <c>[N, C, D, H, W]</c>.</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="FrostlineException">The input has another number of dimensions or of channels.</exception>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var isLong = input.dim() == Dimensions + 2 || (Dimensions == 1 && input.dim() == 2);
        if (!isLong || input.size(1) != Features)
            throw new FrostlineException(
                $"a FrozenBatchNorm reads {Features} channels and {Dimensions} further dimensions but gets [{string.Join(", ", input.shape)}]");
        // The momentum is read in training only.
        return nn.functional.batch_norm(
            input, Mean, Variance, Weight, Bias, training: false, momentum: 0, eps: Epsilon);
    }

    internal Tensor Mean => Find(MeanName)!;

    internal Tensor Variance => Find(VarianceName)!;

    internal Tensor? Weight => Find(WeightName);

    internal Tensor? Bias => Find(BiasName);

    private Type BatchNormType => Dimensions switch { 1 => typeof(BatchNorm1d), 2 => typeof(BatchNorm2d), _ => typeof(BatchNorm3d) };

    /// <summary>Why a norm cannot be frozen by replacement, to be read after its name; null where it can.</summary>
    private static string? Obstacle(BatchNorm norm)
    {
        if (norm is not (BatchNorm1d or BatchNorm2d or BatchNorm3d))
            return $"is a {norm.GetType().Name}, whose own computation would be lost; freeze it with a plan";
        return norm.track_running_stats && norm.running_mean is not null && norm.running_var is not null
            ? null
            : "tracks no running statistics and normalises each sample by its batch, which nothing can freeze";
    }

    private static int DimensionsOf(BatchNorm norm) => norm switch { BatchNorm1d => 1, BatchNorm2d => 2, _ => 3 };

    private Tensor? Find(string name) => ModuleComponents.Buffers(this).TryGetValue(name, out var buffer) ? buffer.Tensor : null;

    /// <summary>Buffers belong to the module, not to the scope in which it happens to be made.</summary>
    private void Register(string name, Tensor tensor) => register_buffer(name, tensor.DetachFromDisposeScope());

    private void Fill(Tensor target, string name)
    {
        target.DetachFromDisposeScope();
        // copy_ returns the tensor itself: it must not be disposed here.
        target.copy_(Find(name)!);
    }
}
