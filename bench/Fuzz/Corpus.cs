using Frostline.Testing.Checkpoints;

namespace Frostline.Fuzz;

/// <summary>What a coverage-guided fuzzer starts from.</summary>
internal static class Corpus
{
    public static void Write(CheckpointSample sample, string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, "sample"), sample.Content);
    }
}
