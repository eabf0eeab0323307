namespace Frostline.Initialization;

/// <summary>What the values of a tensor look like, computed in float64 from the values as they are stored.</summary>
/// <param name="Mean">The arithmetic mean; NaN for a tensor without elements.</param>
/// <param name="Deviation">The standard deviation over all elements (divided by their number, not by one less).</param>
/// <param name="Minimum">The smallest value.</param>
/// <param name="Maximum">The largest value.</param>
public sealed record TensorStatistics(double Mean, double Deviation, double Minimum, double Maximum)
{
    /// <summary>
    /// Collects statistics from values that arrive in pieces (Chan, Golub and LeVeque's pairwise update, 1979).
    /// </summary>
    internal sealed class Collector
    {
        private long _count;
        private double _mean, _squares, _minimum = double.PositiveInfinity, _maximum = double.NegativeInfinity;

        /// <summary>Adds the next values.</summary>
        public void Add(ReadOnlySpan<double> values)
        {
            if (values.IsEmpty) return;
            var sum = 0.0;
            foreach (var value in values)
            {
                sum += value;
                _minimum = Math.Min(_minimum, value);
                _maximum = Math.Max(_maximum, value);
            }

            var mean = sum / values.Length;
            var squares = 0.0;
            foreach (var value in values) squares += (value - mean) * (value - mean);
            var count = _count + values.Length;
            var delta = mean - _mean;
            _squares += squares + (delta * delta * ((double)_count * values.Length / count));
            _mean += delta * values.Length / count;
            _count = count;
        }

        /// <summary>The statistics of all values so far.</summary>
        public TensorStatistics Result() => _count == 0
            ? new TensorStatistics(double.NaN, double.NaN, double.NaN, double.NaN)
            : new TensorStatistics(_mean, Math.Sqrt(_squares / _count), _minimum, _maximum);
    }
}
