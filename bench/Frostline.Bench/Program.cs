using Frostline.Bench;

switch (args)
{
    case ["inspect", .. var files] when files.Length <= 1:
        return InspectStartup.Run(files.Length == 1 ? files[0] : null);
    default:
        Console.Error.WriteLine("""
            usage: dotnet run -c Release --project bench/Frostline.Bench -- MEASUREMENT

              inspect [FILE]   how long `frostline inspect` takes from start to end, as a published ReadyToRun build;
                               without FILE, of a checkpoint of 250 MB that is made for the purpose
            """);
        return 2;
}
