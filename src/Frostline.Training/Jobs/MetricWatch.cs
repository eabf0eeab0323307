namespace Frostline.Training.Jobs;

/// <summary>What a <see cref="MetricWatch"/> remembers between epochs.</summary>
/// <param name="Best">The best value so far, or null before the first.</param>
/// <param name="BadEpochs">How many epochs have passed without a better value.</param>
public sealed record MetricWatchState(double? Best = null, int BadEpochs = 0);

/// <summary>Tells when a metric has stopped getting better: for early stopping, and for phases that begin at a plateau.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Patience">How many epochs without a better value make a plateau, at least 1.</param>
/// <param name="MinimumChange">By how much a value has to be better to count.</param>
public sealed record MetricWatch(string Metric, int Patience, double MinimumChange = 0)
{
    /// <summary>The memory after an epoch. NaN is never better.</summary>
    /// <param name="state">The memory before it.</param>
    /// <param name="value">The epoch's value.</param>
    /// <param name="higherIsBetter">Whether a greater value is a better one.</param>
    public MetricWatchState After(MetricWatchState state, double value, bool higherIsBetter)
    {
        ArgumentNullException.ThrowIfNull(state);
        var better = !double.IsNaN(value)
            && (state.Best is not { } best || (higherIsBetter ? value > best + MinimumChange : value < best - MinimumChange));
        return better ? new MetricWatchState(value) : state with { BadEpochs = state.BadEpochs + 1 };
    }

    /// <summary>Whether the metric has stopped getting better.</summary>
    /// <param name="state">The memory after the last epoch.</param>
    public bool IsPlateau(MetricWatchState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state.BadEpochs >= Patience;
    }
}
