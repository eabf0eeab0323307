using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Frostline.Cli.Shell;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Training.Runs;
using Frostline.Vision.Data;
using Frostline.Vision.Pose;

namespace Frostline.Cli.Commands;

/// <summary><c>frostline predict</c>: the classes of images, or the joints of people, by a model file alone or by a recipe and a checkpoint.</summary>
internal static class PredictCommand
{
    private static readonly char[] s_needQuotes = [',', '"', '\r', '\n'];

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var model = new Argument<string>("MODEL") { Description = "The model file: model.safetensors of a run folder. Or a recipe, with --checkpoint." };
        var checkpoint = new Option<string?>("--checkpoint") { Description = "With a recipe: any checkpoint that fits the recipe's network.", HelpName = "FILE" };
        var set = CommonOptions.Set();
        var input = new Option<string[]>("--input")
        {
            Description = "Images, and folders that are searched for images; with a network of poses videos too.",
            HelpName = "PATH",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var top = CommonOptions.AtLeastOne("--top", "How many classes to report for each image. Default: 5.");
        var batch = CommonOptions.AtLeastOne("--batch-size", "How many images are computed at once. Default: 32.");
        var skip = new Option<bool>("--skip-unreadable") { Description = "Leave unreadable images out and report them, instead of ending with an error." };
        var pose = new PosePredictArguments();
        var assemblies = new Option<string[]>("--assembly")
        {
            Description = "An assembly of your own that brings the model's network or transforms.",
            HelpName = "DLL",
            DefaultValueFactory = _ => [],
        };
        var threads = CommonOptions.Threads();
        var csv = new Option<bool>("--csv") { Description = "Write a CSV table: path, rank, class, probability." };
        var json = CommonOptions.Json();
        var command = new Command(
            "predict",
            "Classifies images, or finds people's joints, with a model that frostline train wrote or any checkpoint of a recipe's network. " +
            "People are not detected: their boxes come from --boxes, and without it a person fills the picture.")
        {
            model, checkpoint, input, top, batch, skip, assemblies, set, threads, csv, json,
        };
        pose.AddTo(command);
        command.SetAction(result =>
        {
            var (toCsv, toJson) = (result.GetValue(csv), result.GetValue(json));
            if (toCsv && toJson) throw new FrostlineException("--csv and --json exclude each other; give one of them");
            var options = new PredictOptions
            {
                Top = result.GetValue(top) ?? 5,
                BatchSize = result.GetValue(batch) ?? 32,
                Unreadable = result.GetValue(skip) ? UnreadablePolicy.Skip : UnreadablePolicy.Fail,
            };
            var registry = Registries.Create(result.GetRequiredValue(assemblies));
            using var loaded = Open(
                result.GetRequiredValue(model), result.GetValue(checkpoint), result.GetRequiredValue(set), registry, result.GetValue(threads));
            var inputs = result.GetRequiredValue(input);
            foreach (var remark in loaded.Remarks) terminal.Error.WriteLine($"remark: {remark}");
            if (PosePredictJob.IsPose(loaded.Network)) return pose.Run(terminal, loaded, inputs, result, options, toCsv, toJson, cancellation);
            pose.RefuseIn(result, loaded.Source);
            var images = ImageDataset.Unlabelled(Files(inputs));
            var prediction = ProgressBar.Show(
                terminal, toCsv || toJson, "predict", progress => new PredictJob(loaded, options).Run(images, progress, cancellation));
            Write(terminal, prediction, toCsv, toJson);
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Write(Terminal terminal, PredictResult prediction, bool toCsv, bool toJson)
    {
        if (toJson) terminal.Output.Write(JsonSerializer.Serialize(prediction, RunJson.Page) + "\n");
        else if (toCsv) WriteCsv(terminal.Output, prediction);
        else WriteTable(terminal.Output, prediction);
        foreach (var reason in prediction.Unreadable) terminal.Error.WriteLine($"left out: {reason}");
    }

    /// <summary>The network of a model file, or of a recipe and a checkpoint.</summary>
    private static LoadedModel Open(string path, string? checkpoint, string[] sets, Registry registry, int? threads)
    {
        var isRecipe = Path.GetExtension(path).ToUpperInvariant() is ".YAML" or ".YML";
        if (isRecipe && checkpoint is null) throw new FrostlineException($"{path} is a recipe; say which weights by --checkpoint FILE");
        if (!isRecipe && (checkpoint is not null || sets.Length > 0))
            throw new FrostlineException($"{path} is a model file, which takes neither --checkpoint nor --set; give a recipe instead of it");
        return isRecipe ? LoadedModel.Open(Recipe.Load(path, registry, sets), checkpoint!, registry, threads) : LoadedModel.Open(path, registry, threads);
    }

    /// <summary>The images that paths mean: files as they are, folders searched; each once, in the order given.</summary>
    internal static IReadOnlyList<string> Files(IReadOnlyList<string> paths)
    {
        var files = new List<string>();
        foreach (var path in paths)
        {
            if (Directory.Exists(path))
            {
                var found = ImageFile.In(path);
                var extensions = string.Join(' ', ImageFile.Extensions.Order(StringComparer.Ordinal));
                if (found.Count == 0) throw new FrostlineException($"the folder {path} has no images ({extensions})");
                files.AddRange(found);
            }
            else if (File.Exists(path))
            {
                files.Add(path);
            }
            else
            {
                var hint = NearestNames.Hint(Path.GetFileName(path), Neighbours(path));
                throw new FrostlineException($"there is no file or folder {path}{hint}");
            }
        }

        return [.. files.Distinct(StringComparer.Ordinal)];
    }

    private static IEnumerable<string> Neighbours(string path)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (!Directory.Exists(folder)) return [];
        return Directory.EnumerateFileSystemEntries(folder).Take(1000).Select(entry => Path.GetFileName(entry));
    }

    private static void WriteTable(TextWriter output, PredictResult result)
    {
        var table = new TextTable("image", ">rank", "class", ">probability");
        foreach (var (source, classes) in result.Predictions)
        {
            for (var rank = 0; rank < classes.Count; rank++)
            {
                var (_, name, probability) = classes[rank];
                table.Add(rank == 0 ? source : "", Rank(rank), name, probability.ToString("F4", CultureInfo.InvariantCulture));
            }
        }

        table.Write(output);
    }

    private static void WriteCsv(TextWriter output, PredictResult result)
    {
        var text = new StringBuilder("path,rank,class,probability\n");
        foreach (var (source, classes) in result.Predictions)
        {
            for (var rank = 0; rank < classes.Count; rank++)
            {
                var (_, name, probability) = classes[rank];
                text.Append(CultureInfo.InvariantCulture, $"{Quote(source)},{Rank(rank)},{Quote(name)},{probability:R}\n");
            }
        }

        output.Write(text.ToString());
    }

    private static string Rank(int index) => (index + 1).ToString(CultureInfo.InvariantCulture);

    /// <summary>A field of a CSV table, as RFC 4180 has it.</summary>
    private static string Quote(string text) =>
        text.IndexOfAny(s_needQuotes) < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
