using System.Diagnostics;
using System.Globalization;
using Frostline.Testing.Checkpoints;

namespace Frostline.Fuzz;

/// <summary>The mutation test of the suite without an end.</summary>
internal static class Mutations
{
    private const int Round = 100_000;

    /// <summary>Returns when something goes wrong, after writing the file that did it, or when the seeds have run out.</summary>
    public static int Run(IReadOnlyList<CheckpointSample> samples, int first)
    {
        var clock = Stopwatch.StartNew();
        for (var start = first; start <= int.MaxValue - Round; start += Round)
        {
            foreach (var sample in samples)
            {
                var reached = new int[3];
                using var file = new DamagedFile(sample);
                for (var seed = start; seed < start + Round; seed++)
                    if (Read(sample, file, seed) is { } outcome) reached[(int)outcome]++;
                    else return 1;
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{clock.Elapsed:hh\\:mm\\:ss} {sample.Name}: seeds {start} to {start + Round - 1}, {reached[1] + reached[2]} identified, {reached[2]} opened"));
            }
        }

        return 0;
    }

    private static Reached? Read(CheckpointSample sample, DamagedFile file, int seed)
    {
        var bytes = sample.File(Mutation.Apply(sample.Content, seed));
        try
        {
            return file.Read(bytes);
        }
        catch (Exception error)
        {
            var path = Path.GetFullPath(string.Create(CultureInfo.InvariantCulture, $"{sample.Name}-{seed}.bin"));
            File.WriteAllBytes(path, bytes);
            Console.Error.WriteLine($"{sample.Name}, seed {seed}, written to {path}: {error}");
            return null;
        }
    }
}
