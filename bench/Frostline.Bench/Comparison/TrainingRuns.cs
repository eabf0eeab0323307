namespace Frostline.Bench.Comparison;

/// <summary>The processes that were run so far: cases that look at the same training share it.</summary>
internal sealed class TrainingRuns
{
    private readonly Dictionary<(Side Side, string Task, int Pair), SideRun> _runs = [];

    /// <summary>What Frostline's runs said of the frozen part, a line each.</summary>
    public List<string> Evaluations { get; } = [];

    /// <summary>A run of a pair; where it was run already, nothing runs.</summary>
    public SideRun Get(Side side, TrainingTask task, int pair)
    {
        if (_runs.TryGetValue((side, task.Name, pair), out var known)) return known;
        Console.Error.WriteLine($"{DateTime.Now:HH:mm:ss} pair {pair}: {side}, {task.Name}");
        var run = SideProcess.Run(side, task);
        _runs.Add((side, task.Name, pair), run);
        if (run.Report.Frozen is { } frozen) Evaluations.Add($"{task.Name}, pair {pair}: {frozen}");
        return run;
    }
}
