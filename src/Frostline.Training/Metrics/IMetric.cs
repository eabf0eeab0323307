using TorchSharp;

namespace Frostline.Training.Metrics;

/// <summary>
/// Measures a network on a data set, batch after batch. It accumulates in managed memory: between batches it holds no tensor.
/// </summary>
public interface IMetric
{
    /// <summary>Forgets all batches.</summary>
    void Reset();

    /// <summary>Adds a batch. Called inside the caller's dispose scope and without gradients.</summary>
    /// <param name="outputs">The network's outputs by name, for example <c>logits</c> [B, K].</param>
    /// <param name="fields">The batch's fields by name, for example <c>label</c> [B].</param>
    /// <exception cref="FrostlineException">An output or field is absent, or shapes do not fit.</exception>
    void Add(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields);

    /// <summary>What the batches since the last <see cref="Reset"/> come to.</summary>
    MetricResult Result();
}

/// <summary>What a metric found.</summary>
/// <param name="Values">Single numbers, the metric's main one first; empty where the metric is tables only.</param>
/// <param name="Tables">Numbers by row and column, for example a confusion matrix.</param>
public sealed record MetricResult(IReadOnlyList<MetricValue> Values, IReadOnlyList<MetricTable> Tables)
{
    /// <summary>A result of one number.</summary>
    public static MetricResult Of(string name, double value, bool higherIsBetter = true) =>
        new([new MetricValue(name, value, higherIsBetter)], []);
}

/// <summary>A number by name.</summary>
/// <param name="Name">The name, in kebab-case, as <c>best:</c> in a recipe refers to it.</param>
/// <param name="Value">The number; NaN where it is undefined, for example without any sample.</param>
/// <param name="HigherIsBetter">Whether a greater number is a better one.</param>
public sealed record MetricValue(string Name, double Value, bool HigherIsBetter = true)
{
    /// <summary>
    /// Whether this number is better than an earlier one of the same name. NaN is never better; anything is better than NaN.
    /// </summary>
    /// <param name="earlier">The number to beat, or null where there is none.</param>
    public bool IsBetterThan(double? earlier)
    {
        if (double.IsNaN(Value)) return false;
        if (earlier is not { } number || double.IsNaN(number)) return true;
        return HigherIsBetter ? Value > number : Value < number;
    }
}

/// <summary>Numbers by row and column.</summary>
/// <param name="Name">The name, in kebab-case.</param>
/// <param name="Rows">The names of the rows.</param>
/// <param name="Columns">The names of the columns.</param>
/// <param name="Cells">The numbers, row by row; NaN where undefined.</param>
public sealed record MetricTable(
    string Name, IReadOnlyList<string> Rows, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<double>> Cells);
