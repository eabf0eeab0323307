using System.Diagnostics;

namespace Frostline.Bench.Comparison;

/// <summary>Notes when steps and epochs end, for a side's report.</summary>
internal sealed class TrainingClock
{
    private readonly List<double> _epochs = [];
    private readonly List<double> _steps = [];
    private long _epoch = Stopwatch.GetTimestamp();
    private long? _step;
    private double _loss = double.NaN;

    /// <summary>A step has ended.</summary>
    /// <param name="loss">Its loss.</param>
    public void Step(double loss)
    {
        var now = Stopwatch.GetTimestamp();
        // The first step of an epoch waits for its images; it is no measure of a step.
        if (_step is { } before) _steps.Add(Stopwatch.GetElapsedTime(before, now).TotalSeconds);
        (_step, _loss) = (now, loss);
    }

    /// <summary>An epoch has ended; the next one begins.</summary>
    public void Epoch()
    {
        var now = Stopwatch.GetTimestamp();
        _epochs.Add(Stopwatch.GetElapsedTime(_epoch, now).TotalSeconds);
        (_epoch, _step) = (now, null);
    }

    /// <summary>What was noted.</summary>
    public SideReport Report() => new(_epochs, Medians.Of(_steps), _loss);
}
