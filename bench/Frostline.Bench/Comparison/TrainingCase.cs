namespace Frostline.Bench.Comparison;

/// <summary>What a case is to reach.</summary>
/// <param name="Limit">The limit; null where the figure is only reported.</param>
/// <param name="AtLeast">Whether it is the least; else it is the most.</param>
internal readonly record struct Target(double? Limit, bool AtLeast)
{
    public static Target Reported(bool atLeast) => new(null, atLeast);

    public static Target Least(double limit) => new(limit, true);

    public static Target Most(double limit) => new(limit, false);

    public bool IsReached(double value) => Limit is not { } limit || (AtLeast ? value >= limit : value <= limit);
}

/// <summary>One figure of a pair, of both sides.</summary>
/// <param name="Ours">Frostline's.</param>
/// <param name="Theirs">That of what it is compared with; null where the target is a figure and not a ratio.</param>
internal readonly record struct Pair(double Ours, double? Theirs);

/// <summary>One row of the table: which trainings it needs, and which figure of them it compares.</summary>
/// <param name="runs">The trainings.</param>
internal abstract class TrainingCase(TrainingRuns runs)
{
    /// <summary>What <c>--case</c> calls it.</summary>
    public abstract string Name { get; }

    /// <summary>What is measured, in words.</summary>
    public abstract string Title { get; }

    /// <summary>What it is compared with, in words.</summary>
    public abstract string Against { get; }

    /// <summary>The unit of its figures.</summary>
    public abstract string Unit { get; }

    /// <summary>
    /// What is to be reached: by the ratio theirs to ours where it is the least, ours to theirs where it is the most; by our figure where
    /// there is no other.
    /// </summary>
    public abstract Target Target { get; }

    /// <summary>Whether the figure of the other side stands for more epochs than it ran.</summary>
    public virtual bool IsExtrapolated => false;

    /// <summary>How many pairs are worth their time.</summary>
    public virtual int MostPairs => int.MaxValue;

    /// <summary>The trainings.</summary>
    protected TrainingRuns Runs { get; } = runs;

    /// <summary>Measures both sides, one after the other.</summary>
    /// <param name="pair">The number of the pair, from 1.</param>
    public abstract Pair Measure(int pair);
}
