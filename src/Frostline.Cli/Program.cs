using Frostline.Cli.Shell;
using Frostline.Native;
using Frostline.Staging;

if (EngineProbe.Answer(args)) return ExitCodes.Success;

using var interruption = new Interruption(Console.Error);
var exitCode = CommandHost.Run(args, Terminal.OfProcess(), interruption.Token);
NativeRuntime.Exit(exitCode);
return exitCode;
