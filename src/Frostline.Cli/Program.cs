using Frostline.Cli.Shell;

using var interruption = new Interruption(Console.Error);
return CommandHost.Run(args, Terminal.OfProcess(), interruption.Token);
