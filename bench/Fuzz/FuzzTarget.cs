using Frostline.Testing.Checkpoints;
using SharpFuzz;

namespace Frostline.Fuzz;

/// <summary>Reads what a coverage-guided fuzzer makes of a sample.</summary>
internal static class FuzzTarget
{
    /// <summary>
    /// Serves the fuzzer that started this process. The reader runs in a process of its own, which is started again where it dies:
    /// a stack overflow is a finding like any other.
    /// </summary>
    /// <remarks>The sample is made inside: instrumented code must not run before the fuzzer has given it memory to report to.</remarks>
    public static void Run(string name)
    {
        CheckpointSample? sample = null;
        DamagedFile? file = null;
        Fuzzer.OutOfProcess.Run(input =>
        {
            sample ??= CheckpointSamples.Find(name);
            file ??= new DamagedFile(sample);
            using var bytes = new MemoryStream();
            input.CopyTo(bytes);
            file.Read(sample.File(bytes.ToArray()));
        });
        file?.Dispose();
    }
}
