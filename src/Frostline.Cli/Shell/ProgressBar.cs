using Spectre.Console;

namespace Frostline.Cli.Shell;

/// <summary>A progress bar for work of a known number of steps; nothing at all where nobody watches.</summary>
internal static class ProgressBar
{
    /// <summary>Does the work and shows how far it is.</summary>
    /// <param name="terminal">Where.</param>
    /// <param name="json">Whether standard output is for JSON alone.</param>
    /// <param name="name">What is being done.</param>
    /// <param name="work">The work; it is given what to call with the steps done and in all.</param>
    public static T Show<T>(Terminal terminal, bool json, string name, Func<Action<int, int>?, T> work)
    {
        if (!terminal.IsInteractive(json)) return work(null);
        return terminal.Console(json).Progress().AutoClear(true).Start(context =>
        {
            var task = context.AddTask(Markup.Escape(name));
            return work((done, all) =>
            {
                task.MaxValue = Math.Max(1, all);
                task.Value = done;
            });
        });
    }
}
