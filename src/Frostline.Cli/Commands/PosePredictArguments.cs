using System.CommandLine;
using System.Globalization;
using Frostline.Cli.Shell;
using Frostline.Training.Jobs;
using Frostline.Vision.Pose;

namespace Frostline.Cli.Commands;

/// <summary>
/// The options of <c>frostline predict</c> that are about joints, and what it does with a network of poses. They are texts: types of the library for images
/// would be loaded by every command.
/// </summary>
internal sealed class PosePredictArguments
{
    private readonly Option<string?> _output = new("--output")
    {
        Description = "Poses: the folder for keypoints.json and pictures. Default: poses.",
        HelpName = "FOLDER",
    };

    private readonly Option<string?> _boxes = new("--boxes")
    {
        Description = "Poses: a JSON file of people's boxes, [{\"image\": \"a.jpg\", \"bbox\": [x, y, width, height]}] or in COCO's format. Default: the whole picture.",
        HelpName = "JSON",
    };

    private readonly Option<string[]> _pictures = new("--pictures")
    {
        Description = "Poses: which pictures are written: overlays, heatmaps, taps, all or none. Default: all.",
        HelpName = "KIND",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string[]> _taps = new("--taps")
    {
        Description = "Poses: the tensors of the network that are drawn as taps. Default: HRNet's four.",
        HelpName = "NAME",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string?> _skeleton = new("--skeleton")
    {
        Description = "Poses: the joints of a network whose file does not say them: coco, posetrack18, posetrack17 or lsp.",
        HelpName = "NAME",
    };

    private readonly Option<double> _leastScore = new("--least-score")
    {
        Description = "Poses: joints of a smaller score are not drawn. Default: 0.2.",
        DefaultValueFactory = _ => PoseOverlay.DefaultLeastScore,
    };

    private IEnumerable<Option> All => [_output, _boxes, _pictures, _taps, _skeleton, _leastScore];

    /// <summary>Adds the options to the command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in All) command.Options.Add(option);
    }

    /// <summary>Refuses options that mean nothing to a classifier.</summary>
    public void RefuseIn(ParseResult result, string model)
    {
        if (All.FirstOrDefault(option => result.GetResult(option) is { Implicit: false }) is { } given)
            throw new FrostlineException($"{given.Name} is for networks of poses, and {model} holds none");
    }

    /// <summary>Finds joints and writes them.</summary>
    public int Run(
        Terminal terminal,
        LoadedModel model,
        IReadOnlyList<string> inputs,
        ParseResult result,
        PredictOptions options,
        bool csv,
        bool json,
        CancellationToken cancellation)
    {
        if (csv) throw new FrostlineException("--csv is for classes; joints are written as keypoints.json");
        if (inputs.FirstOrDefault(path => !File.Exists(path) && !Directory.Exists(path)) is { } missing)
            throw new FrostlineException($"there is no file or folder {missing}");
        var pictures = result.GetRequiredValue(_pictures);
        var taps = result.GetRequiredValue(_taps);
        var job = new PosePredictJob(model, new PosePredictOptions
        {
            Output = result.GetValue(_output) ?? "poses",
            Boxes = result.GetValue(_boxes) is { } boxes ? PersonBoxes.Read(boxes) : null,
            Pictures = pictures.Length == 0 ? PosePictures.All : pictures.Aggregate(PosePictures.None, (all, one) => all | PictureOf(one)),
            Taps = taps.Length > 0 ? taps : null,
            Skeleton = result.GetValue(_skeleton) is { } name ? SkeletonOf(name) : null,
            LeastScore = result.GetValue(_leastScore),
            BatchSize = Math.Min(options.BatchSize, 8),
            Workers = options.Workers,
            Unreadable = options.Unreadable,
        });
        var found = ProgressBar.Show(terminal, json, "predict", progress => job.Run(inputs, progress, cancellation));
        if (json) terminal.Output.Write(File.ReadAllText(Path.Combine(result.GetValue(_output) ?? "poses", "keypoints.json")) + "\n");
        else Write(terminal.Output, found, result.GetValue(_output) ?? "poses");
        foreach (var reason in found.Unreadable) terminal.Error.WriteLine($"left out: {reason}");
        foreach (var remark in found.Remarks.Except(model.Remarks, StringComparer.Ordinal)) terminal.Error.WriteLine($"remark: {remark}");
        return ExitCodes.Success;
    }

    private static PosePictures PictureOf(string name) =>
        Enum.TryParse<PosePictures>(name, ignoreCase: true, out var picture) && Enum.IsDefined(picture)
            ? picture
            : throw new FrostlineException($"there are no pictures \"{name}\"; there are overlays, heatmaps, taps, all and none");

    private static Skeleton SkeletonOf(string name) => name.ToUpperInvariant() switch
    {
        "COCO" => Skeleton.Coco,
        "POSETRACK18" => Skeleton.PoseTrack18,
        "POSETRACK17" => Skeleton.PoseTrack17,
        "LSP" => Skeleton.Lsp,
        _ => throw new FrostlineException($"there is no skeleton \"{name}\"; there are coco, posetrack18, posetrack17 and lsp"),
    };

    private static void Write(TextWriter output, PosePredictResult result, string folder)
    {
        var table = new TextTable("frame", ">person", ">score", ">joints");
        foreach (var (source, number, people) in result.Frames)
        {
            for (var i = 0; i < people.Count; i++)
            {
                var person = people[i].Person;
                table.Add(
                    i == 0 ? FormattableString.Invariant($"{source} ({number})") : "",
                    (i + 1).ToString(CultureInfo.InvariantCulture),
                    person.Score.ToString("F3", CultureInfo.InvariantCulture),
                    person.Joints.Count(joint => joint.Score >= PoseOverlay.DefaultLeastScore).ToString(CultureInfo.InvariantCulture));
            }
        }

        table.Write(output);
        output.Write(FormattableString.Invariant($"\n{result.Files.Count} files in {folder}\n"));
    }
}
