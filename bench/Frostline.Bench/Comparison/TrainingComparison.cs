using System.Text.Json;
using Frostline.Bench.Comparison.Cases;
using Frostline.Bench.Comparison.Sides;
using Frostline.Native;

namespace Frostline.Bench.Comparison;

/// <summary>
/// Trainings with a frozen part, against the same in plain TorchSharp and in PyTorch: each training is a process of its own, started in turn
/// with equally many threads, an equal batch and the same setting of the allocator, and decodes the same images.
/// </summary>
internal static class TrainingComparison
{
    /// <summary>Measures, and prints a table.</summary>
    /// <param name="options"><c>--quick</c>, and <c>--case NAME</c> for one case.</param>
    /// <returns>0 where every target is reached, 1 where one is not, 2 where the options are wrong; 0 too of a quick run.</returns>
    public static int Run(IReadOnlyList<string> options)
    {
        var quick = options.Contains("--quick");
        var names = options.Where(option => option != "--quick").ToList();
        var scale = quick ? TrainingScale.Quick : TrainingScale.Full;
        var (runs, inputs) = (new TrainingRuns(), new TrainingInputs(scale));
        var all = Cases(runs, new TrainingTasks(scale, inputs));
        if (names is not ([] or ["--case", _]) || (names.Count > 0 && !all.Exists(one => one.Name == names[1])))
        {
            Console.Error.WriteLine($"training takes --quick and --case NAME, where NAME is one of {string.Join(", ", all.Select(one => one.Name))}");
            return 2;
        }

        inputs.Make();
        var cases = names.Count == 0 ? all : all.FindAll(one => one.Name == names[1]);
        var pairs = cases.ToDictionary(one => one, _ => new List<Pair>());
        // Pair by pair through all cases: what changes on the machine meanwhile meets both sides.
        for (var pair = 1; pair <= scale.Pairs; pair++)
            foreach (var one in cases.Where(one => pair <= one.MostPairs)) pairs[one].Add(one.Measure(pair));
        var table = new ComparisonTable([.. cases.Select(one => (one, (IReadOnlyList<Pair>)pairs[one]))]);
        Console.WriteLine(table.Write(runs.Evaluations));
        return quick || table.IsReached ? 0 : 1;
    }

    /// <summary>What the process of a side does.</summary>
    /// <param name="side">Which side.</param>
    /// <param name="file">The file of its task.</param>
    public static int RunSide(Side side, string file)
    {
        var task = JsonSerializer.Deserialize<TrainingTask>(File.ReadAllText(file), TrainingTask.Json)!;
        SideProcess.Write(side switch
        {
            Side.Frostline => new FrostlineTraining(task).Run(),
            Side.Sweep => new SweepTraining(task).Run(),
            Side.Usual => new UsualTraining(task).Run(),
            Side.ExtractOnce => new ExtractOnceTraining(task).Run(),
            _ => throw new ArgumentOutOfRangeException(nameof(side), side, "is no training of this program"),
        });
        NativeRuntime.Exit(0);
        return 0;
    }

    private static List<TrainingCase> Cases(TrainingRuns runs, TrainingTasks tasks) =>
    [
        new HeadCase(runs, tasks.Head),
        new ExtractOnceCase(runs, tasks.Head),
        new PythonCase(runs, tasks.Head),
        new ColdEpochCase(runs, tasks.Head),
        new MemoryCase(runs, tasks.Head),
        new SweepCase(runs, tasks.Sweep, tasks.Head),
        new LastLayerCase(runs, tasks.LastLayer),
        new FullTrainingCase(runs, tasks.Full),
        new PoseCase(runs, tasks.Pose),
        new FromDiskCase(runs, tasks.PoseFromDisk, tasks.Pose),
        new HeadStepCase(runs, tasks.HeadStep, tasks.HeadStepFilling),
    ];
}
