using System.Globalization;
using System.Text.Json.Serialization;
using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>Where the first value of a tensor came from.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Loaded), "loaded")]
[JsonDerivedType(typeof(Drawn), "drawn")]
[JsonDerivedType(typeof(Kept), "kept")]
[JsonDerivedType(typeof(Set), "set")]
[JsonDerivedType(typeof(Copied), "copied")]
[JsonDerivedType(typeof(Calibrated), "calibrated")]
[JsonDerivedType(typeof(Scaled), "scaled")]
[JsonDerivedType(typeof(Averaged), "averaged")]
public abstract record Origin
{
    private Origin()
    {
    }

    /// <summary>The origin in a few words, for tables and messages.</summary>
    public abstract string Describe();

    /// <summary>The origin that a value had before it was scaled; the origin itself where it was not.</summary>
    internal static Origin BeforeScaling(Origin origin)
    {
        while (origin is Scaled scaled) origin = scaled.Before;
        return origin;
    }

    /// <summary>The value was read from a checkpoint.</summary>
    /// <param name="File">The file's name, without folder.</param>
    /// <param name="Key">The tensor's name inside the file.</param>
    /// <param name="Hash">The content hash of the checkpoint (<c>Checkpoint.ContentHash</c>), in hexadecimal digits.</param>
    /// <param name="CastFrom">The type of the elements in the file where the value had to be cast; otherwise null.</param>
    /// <param name="Adapted">
    /// How a policy computed the value from the file's, which has another shape, for example
    /// <c>first-conv, average of 3 channels to 1</c>; otherwise null.
    /// </param>
    public sealed record Loaded(string File, string Key, string Hash, TensorType? CastFrom = null, string? Adapted = null) : Origin
    {
        /// <inheritdoc/>
        public override string Describe() => $"loaded from {File}, {Key}"
            + (CastFrom is { } type ? $", cast from {type}" : "") + (Adapted is null ? "" : $", adapted: {Adapted}");
    }

    /// <summary>The value was drawn, or computed, by an initializer.</summary>
    /// <param name="Initializer">
    /// The initializer with its settings, for example <c>kaiming-normal(fan: out, nonlinearity: relu)</c>.
    /// </param>
    /// <param name="Seed">The seed of the draw; together with the tensor's name and the initializer it fixes every value.</param>
    /// <param name="Statistics">What the drawn values look like.</param>
    public sealed record Drawn(string Initializer, long Seed, TensorStatistics Statistics) : Origin
    {
        /// <inheritdoc/>
        public override string Describe() => $"drawn by {Initializer}, seed {Seed}";
    }

    /// <summary>The value is the one that the network was constructed with; nobody knows where it came from.</summary>
    /// <param name="Remark">
    /// What there is to be said against it, for example that the constructor gives no value; otherwise null.
    /// </param>
    public sealed record Kept(string? Remark = null) : Origin
    {
        /// <summary>The remark on weight and bias of TorchSharp's GroupNorm, which are whatever lay in their memory.</summary>
        internal const string WithoutValue = "TorchSharp's GroupNorm is constructed without a value";

        /// <inheritdoc/>
        public override string Describe() => "kept as constructed" + (Remark is null ? "" : $" ({Remark})");
    }

    /// <summary>Every element was set to one value.</summary>
    /// <param name="Value">The value.</param>
    /// <param name="Reason">
    /// Why, where no rule asked for it, for example a counter that an old checkpoint lacks; otherwise null.
    /// </param>
    public sealed record Set(double Value, string? Reason = null) : Origin
    {
        /// <inheritdoc/>
        public override string Describe() =>
            string.Create(CultureInfo.InvariantCulture, $"set to {Value:R}") + (Reason is null ? "" : $" ({Reason})");
    }

    /// <summary>The value was copied from another tensor of the same network, after that one got its own.</summary>
    /// <param name="From">The other tensor's name.</param>
    /// <param name="Adapted">How the value was computed from the other's, which has another shape; otherwise null.</param>
    public sealed record Copied(string From, string? Adapted = null) : Origin
    {
        /// <inheritdoc/>
        public override string Describe() => $"copied from {From}" + (Adapted is null ? "" : $", adapted: {Adapted}");
    }

    /// <summary>A norm's running statistic was estimated anew over data, with the weights that the network has.</summary>
    /// <param name="Batches">Over how many forward passes.</param>
    /// <param name="Before">Where the value came from that was replaced; null where that is not known.</param>
    public sealed record Calibrated(int Batches, Origin? Before = null) : Origin
    {
        /// <inheritdoc/>
        public override string Describe() => Batches == 1 ? "calibrated over 1 batch" : $"calibrated over {Batches} batches";
    }

    /// <summary>The value is the average of the values in several files (<see cref="CheckpointAverage"/>).</summary>
    /// <param name="Files">The files with their shares.</param>
    public sealed record Averaged(IReadOnlyList<AveragedFile> Files) : Origin
    {
        /// <inheritdoc/>
        public override string Describe() => $"averaged from {string.Join(", ", Files.Select(file => file.File))}";
    }

    /// <summary>A weight was multiplied so that its layer's output has unit variance (<see cref="Lsuv"/>).</summary>
    /// <param name="Factor">What it was multiplied by.</param>
    /// <param name="Variance">The variance of the layer's output since.</param>
    /// <param name="Before">Where the value came from that was scaled.</param>
    public sealed record Scaled(double Factor, double Variance, Origin Before) : Origin
    {
        /// <inheritdoc/>
        public override string Describe() =>
            string.Create(CultureInfo.InvariantCulture, $"{Before.Describe()}, scaled by {Factor:G4} to output variance {Variance:G4}");
    }
}
