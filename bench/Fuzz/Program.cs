using System.Globalization;
using Frostline.Fuzz;
using Frostline.Testing.Checkpoints;

switch (args)
{
    case ["samples"]:
        foreach (var sample in CheckpointSamples.All) Console.WriteLine(sample.Name);
        return 0;
    case ["corpus", var name, var folder] when Known(name):
        Corpus.Write(CheckpointSamples.Find(name), folder);
        return 0;
    case ["target", var name]:
        FuzzTarget.Run(name);
        return 0;
    case ["mutate"]:
        return Mutations.Run(CheckpointSamples.All, first: 0);
    case ["mutate", var name] when Known(name):
        return Mutations.Run([CheckpointSamples.Find(name)], first: 0);
    case ["mutate", var name, var first] when Known(name) && int.TryParse(first, CultureInfo.InvariantCulture, out var seed) && seed >= 0:
        return Mutations.Run([CheckpointSamples.Find(name)], seed);
    default:
        Console.Error.WriteLine("""
            usage: dotnet run -c Release --project bench/Fuzz -- COMMAND

              samples                  lists the samples, one a format at the least
              mutate [SAMPLE [SEED]]   damages samples at random and reads them, until something goes wrong or Ctrl-C; seeds count
                                       up from SEED (default 0), so that a run can be continued and a finding repeated
              corpus SAMPLE FOLDER     writes the file that a coverage-guided fuzzer starts from
              target SAMPLE            runs under afl-fuzz; see bench/Fuzz/afl
            """);
        return 2;
}

static bool Known(string name) => CheckpointSamples.All.Any(sample => sample.Name == name);
