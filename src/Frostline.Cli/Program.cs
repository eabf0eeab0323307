using Frostline.Cli.Shell;
using Frostline.Native;

using var interruption = new Interruption(Console.Error);
var exitCode = CommandHost.Run(args, Terminal.OfProcess(), interruption.Token);
NativeRuntime.Exit(exitCode);
return exitCode;
