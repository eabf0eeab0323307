using System.Diagnostics;
using System.Globalization;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Training.Jobs;
using Frostline.Training.Runs;
using Spectre.Console;

namespace Frostline.Cli.Shell;

/// <summary>
/// Shows a training: the plan as a table, a line an epoch, and meanwhile a progress bar where a person watches, or now and then a
/// line where none does.
/// </summary>
internal abstract class TrainingDisplay : ITrainingObserver
{
    /// <summary>Runs a training and shows it.</summary>
    /// <param name="terminal">Where.</param>
    /// <param name="json">Whether standard output is for JSON alone.</param>
    /// <param name="train">The training; it is given the observer to tell.</param>
    public static T Show<T>(Terminal terminal, bool json, Func<ITrainingObserver, T> train)
    {
        if (!terminal.IsInteractive(json)) return train(new Lines(terminal.Text(json)));
        var console = terminal.Console(json);
        return console.Progress()
            .AutoClear(true)
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new PercentageColumn(),
                new RemainingTimeColumn())
            .Start(context => train(new Bars(console, context)));
    }

    public void Note(string message) => Write(message);

    public void Prepared(FrozenModel frozen, InitializationReport initialization)
    {
        var (loaded, drawn, kept) = (initialization.Loaded.Count, initialization.Drawn.Count, initialization.Kept.Count);
        Write($"{loaded} tensors loaded, {drawn} drawn, {kept} kept as constructed");
        foreach (var load in initialization.Loads) Write(load.ToString());
        Write(frozen.Describe().TrimEnd('\n'));
    }

    public abstract void Progress(TrainingProgress progress);

    public void EpochEnded(EpochSummary epoch, bool isBest)
    {
        var validation = epoch.Metrics.Count > 0 ? $"; validation{Numbers.Of(epoch.Metrics, " ")}" : "";
        var seconds = epoch.Seconds.ToString("F1", CultureInfo.InvariantCulture);
        Write($"epoch {epoch.Epoch}: training loss {Numbers.Of(epoch.Loss)}{validation}; {seconds} s{(isBest ? "; best" : "")}");
    }

    protected abstract void Write(string text);

    private static string Name(TrainingProgress progress) => progress.Activity switch
    {
        TrainingActivity.Calibrate => "calibrate",
        TrainingActivity.Validate => $"epoch {progress.Epoch}/{progress.Epochs} validate",
        _ => $"epoch {progress.Epoch}/{progress.Epochs} train",
    };

    /// <summary>Plain lines.</summary>
    private sealed class Lines(TextWriter writer) : TrainingDisplay
    {
        private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(10);

        private readonly Stopwatch _sinceLine = Stopwatch.StartNew();

        public override void Progress(TrainingProgress progress)
        {
            if (_sinceLine.Elapsed < s_pause) return;
            var loss = double.IsNaN(progress.Loss) ? "" : $", loss {Numbers.Of(progress.Loss)}";
            Write($"{Name(progress)}: batch {progress.Batch} of {progress.Batches}{loss}");
        }

        protected override void Write(string text)
        {
            writer.Write(text + "\n");
            writer.Flush();
            _sinceLine.Restart();
        }
    }

    /// <summary>One bar for what is going on, lines above it.</summary>
    private sealed class Bars(IAnsiConsole console, ProgressContext context) : TrainingDisplay
    {
        private ProgressTask? _task;
        private string _name = "";

        public override void Progress(TrainingProgress progress)
        {
            var name = Name(progress);
            if (_task is null || name != _name)
            {
                _task?.StopTask();
                _name = name;
                _task = context.AddTask(Markup.Escape(name), maxValue: Math.Max(1, progress.Batches));
            }

            _task.Value = progress.Batch;
            if (!double.IsNaN(progress.Loss)) _task.Description = Markup.Escape($"{name}, loss {Numbers.Of(progress.Loss)}");
        }

        protected override void Write(string text) => console.WriteLine(text);
    }
}
