using System.CommandLine;
using Frostline.Checkpoints;
using Frostline.Cli.Shell;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline hash</c>: one hash of the tensors' names, types, shapes and bytes, whatever the container.</summary>
internal static class HashCommand
{
    public static Command Create(Terminal terminal)
    {
        var file = CommonOptions.Checkpoint("FILE", "The checkpoint, of any format that inspect reads.");
        var key = CommonOptions.Key();
        var json = CommonOptions.Json();
        var command = new Command("hash", "Prints a hash of a checkpoint's tensors that does not depend on the container.") { file, key, json };
        command.SetAction(result =>
        {
            using var checkpoint = Checkpoint.Open(result.GetRequiredValue(file), result.GetValue(key));
            var hash = checkpoint.ContentHash();
            if (!result.GetValue(json))
            {
                terminal.Output.Write($"{hash}  {checkpoint.Source}\n");
                return ExitCodes.Success;
            }

            JsonOutput.Write(terminal.Output, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("file", checkpoint.Source);
                writer.WriteString("key", checkpoint.Key);
                writer.WriteNumber("tensors", checkpoint.Tensors.Count);
                writer.WriteString("hash", hash);
                writer.WriteEndObject();
            });
            return ExitCodes.Success;
        });
        return command;
    }
}
