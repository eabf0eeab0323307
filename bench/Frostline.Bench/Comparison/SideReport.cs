namespace Frostline.Bench.Comparison;

/// <summary>What a side's process says at its end.</summary>
/// <param name="Epochs">How many seconds each epoch took.</param>
/// <param name="Step">How many seconds a step took, the median over those that follow another step of the same epoch; NaN without.</param>
/// <param name="Loss">The loss of the last step: that the sides train alike is not compared here, that they train is.</param>
internal sealed record SideReport(IReadOnlyList<double> Epochs, double Step, double Loss)
{
    /// <summary>The first epoch that is like all later ones, from 0.</summary>
    public int FirstSteady { get; init; }

    /// <summary>On how many samples the frozen part was evaluated, and by what, in words; null where nobody counts.</summary>
    public string? Frozen { get; init; }
}

/// <summary>A side's process from start to end.</summary>
/// <param name="Report">What it said.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="PeakAnonymous">The most anonymous memory that it was seen to hold, in bytes; 0 where the system does not tell.</param>
internal sealed record SideRun(SideReport Report, double Seconds, long PeakAnonymous)
{
    /// <summary>The median of the epochs that are like all later ones.</summary>
    public double SteadyEpoch => Medians.Of([.. Report.Epochs.Skip(Report.FirstSteady)]);

    /// <summary>How long the process takes with another number of epochs: what exceeds those that it did are steady ones.</summary>
    public double For(int epochs) => epochs > Report.Epochs.Count
        ? Seconds + ((epochs - Report.Epochs.Count) * SteadyEpoch)
        : Seconds - Report.Epochs.Skip(epochs).Sum();
}
