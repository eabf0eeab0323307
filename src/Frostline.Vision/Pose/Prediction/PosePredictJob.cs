using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Vision.Networks;
using TorchSharp;

namespace Frostline.Vision.Pose;

/// <summary>Which pictures a prediction writes.</summary>
[Flags]
public enum PosePictures
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Each frame with the joints and limbs of its people.</summary>
    Overlays = 1,

    /// <summary>For each person a grid of its heatmaps, each over the crop that the network saw.</summary>
    Heatmaps = 2,

    /// <summary>For each person and tap a grid of the tap's channels.</summary>
    Taps = 4,

    /// <summary>All of them.</summary>
    All = Overlays | Heatmaps | Taps,
}

/// <summary>How people's joints are predicted.</summary>
public sealed record PosePredictOptions
{
    /// <summary>The folder that is written to; created where it is missing.</summary>
    public required string Output { get; init; }

    /// <summary>Boxes around people; null for the whole picture of every frame. Frostline detects no people.</summary>
    public PersonBoxes? Boxes { get; init; }

    /// <summary>Which pictures are written; default all.</summary>
    public PosePictures Pictures { get; init; } = PosePictures.All;

    /// <summary>Joints of a smaller score are not drawn; they are in the JSON file all the same. Default: 0.2.</summary>
    public double LeastScore { get; init; } = PoseOverlay.DefaultLeastScore;

    /// <summary>The tensors of the network's stages that are drawn as taps; null for HRNet's four where the network has them.</summary>
    public IReadOnlyList<string>? Taps { get; init; }

    /// <summary>The joints of the network's heatmaps; null for what the model file or the recipe's data says.</summary>
    public Skeleton? Skeleton { get; init; }

    /// <summary>How heatmaps become joints.</summary>
    public PoseReadingOptions Reading { get; init; } = new();

    /// <summary>How many people a batch has, at least 1; default 8.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>How many threads read samples ahead, at least 1; default 2.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>What an unreadable frame does; default: it ends the job with an error that names it.</summary>
    public UnreadablePolicy Unreadable { get; init; } = UnreadablePolicy.Fail;
}

/// <summary>A person in a frame.</summary>
/// <param name="Box">The box that the network looked into.</param>
/// <param name="Person">The joints in pixels of the frame, and the person's score.</param>
public sealed record FoundPerson(Box Box, PredictedPerson Person);

/// <summary>The people of a frame.</summary>
/// <param name="Source">The image's path as given, or the video's.</param>
/// <param name="Number">The frame's place in the video or folder, from 0.</param>
/// <param name="People">One for each box, in the order of the boxes.</param>
public sealed record FoundPeople(string Source, int Number, IReadOnlyList<FoundPerson> People);

/// <summary>What a prediction of poses came to.</summary>
/// <param name="Model">The model file's name, without folder.</param>
/// <param name="Network">The network's name.</param>
/// <param name="Skeleton">The joints.</param>
/// <param name="Frames">One for each frame, in order.</param>
/// <param name="Files">The files that were written, relative to the output folder.</param>
/// <param name="Unreadable">Frames that could not be read and were left out, each with the reason.</param>
/// <param name="Remarks">What else is worth knowing, one line each.</param>
public sealed record PosePredictResult(
    string Model,
    string Network,
    Skeleton Skeleton,
    IReadOnlyList<FoundPeople> Frames,
    IReadOnlyList<string> Files,
    IReadOnlyList<string> Unreadable,
    IReadOnlyList<string> Remarks);

/// <summary>
/// Finds the joints of people in images and videos with a network of poses, and writes them as <c>keypoints.json</c> and as pictures. People are
/// looked for in given boxes, or in the whole picture.
/// </summary>
public sealed class PosePredictJob
{
    // A frame of a video stays in memory until its people are found.
    private const int FramesAtOnce = 16;

    private readonly LoadedModel _model;
    private readonly PosePredictOptions _options;
    private readonly Skeleton _skeleton;
    private readonly NetworkRunner _runner;
    private readonly IReadOnlyList<string> _taps;

    /// <summary>Prepares the job; nothing is touched.</summary>
    /// <param name="model">The network with its weights; it stays the caller's.</param>
    /// <param name="options">How.</param>
    /// <exception cref="FrostlineException">The network finds no joints, a tap does not exist, or a number is out of range.</exception>
    public PosePredictJob(LoadedModel model, PosePredictOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        if (model.Network is not IStagedNetwork staged || !IsPose(model.Network))
            throw new FrostlineException($"{model.Source} holds {model.Description.Model.Name}, which finds no joints");
        if (options.BatchSize < 1 || options.Workers < 1) throw new FrostlineException("the batch size and the number of data workers have to be at least 1");
        (_model, _options) = (model, options);
        _skeleton = options.Skeleton ?? SkeletonFacts.Find(model.Context) ?? SkeletonOf(model.Network);
        var written = staged.Stages.SelectMany(stage => stage.Writes).ToList();
        _taps = !options.Pictures.HasFlag(PosePictures.Taps) ? [] : options.Taps ?? UsualTaps(written);
        if (_taps.FirstOrDefault(tap => !written.Contains(tap)) is { } unknown)
            throw new FrostlineException($"the network has no tensor \"{unknown}\"; it has {string.Join(", ", written)}{NearestNames.Hint(unknown, written)}");
        _runner = new NetworkRunner(model.Network, [.. staged.Outputs.Union(_taps, StringComparer.Ordinal)]) { TestTime = model.TestTime };
    }

    /// <summary>Whether a network finds joints.</summary>
    /// <param name="network">The network.</param>
    public static bool IsPose(torch.nn.Module network) =>
        network is IStagedNetwork staged && (staged.Outputs.Contains("heatmaps") || PoseReader.IsPoseNet(staged.Outputs));

    /// <summary>Finds the joints of people, and writes them.</summary>
    /// <param name="inputs">
    /// Images, each by itself; folders, whose images are one sequence in the order of their names; and videos, which is any other file.
    /// </param>
    /// <param name="progress">Is told frames done and in all; null for nobody.</param>
    /// <param name="cancellation">Ends it with an <see cref="OperationCanceledException"/>; pictures that are written stay.</param>
    /// <exception cref="FrostlineException">
    /// An input does not exist or cannot be read, no frame has a box, the network puts out numbers that are none, or the output cannot be written.
    /// </exception>
    public PosePredictResult Run(IReadOnlyList<string> inputs, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var (all, done) = (PoseFrames.Count(inputs), 0);
        var frames = new PoseFrames(new SupportFrames((_model.Network as IVideoPoseNetwork)?.FrameOffsets ?? [])).Of(inputs, cancellation);
        var writer = new PosePredictionWriter(_options, _skeleton);
        var (found, unreadable) = (new List<FoundPeople>(), new List<string>());
        using (torch.no_grad())
        {
            foreach (var some in frames.Chunk(FramesAtOnce))
            {
                found.AddRange(Find(some, writer, unreadable, cancellation));
                done += some.Length;
                progress?.Invoke(done, Math.Max(done, all));
            }
        }

        if (found.TrueForAll(frame => frame.People.Count == 0) && unreadable.Count == 0)
            throw new FrostlineException($"none of the {found.Count} frames has a box in {_options.Boxes?.Source}; boxes are told apart by the image's name or number");
        var (file, network) = (Path.GetFileName(_model.Source), _model.Description.Model.Name);
        writer.WriteKeypoints(found, file, network);
        return new PosePredictResult(
            file,
            network,
            _skeleton,
            found,
            writer.Files,
            unreadable,
            [.. _model.Remarks, .. _options.Boxes?.Problems.Select(problem => $"{_options.Boxes.Source}: {problem}") ?? []]);
    }

    private List<FoundPeople> Find(PoseFrame[] frames, PosePredictionWriter writer, List<string> unreadable, CancellationToken cancellation)
    {
        var people = frames.Select(_ => new List<FoundPerson>()).ToArray();
        var data = new PosePredictionData(frames, _options.Boxes, _skeleton);
        if (data.Count > 0)
        {
            using var loader = new BatchLoader(data, new BatchLoaderOptions
            {
                BatchSize = _options.BatchSize,
                Workers = _options.Workers,
                Sampling = SamplingMode.Sequential,
                Unreadable = _options.Unreadable,
                // There is nothing to aim at.
                Transforms = [.. _model.Transform.Where(transform => transform is not PoseTargets)],
            });
            foreach (var batch in loader.Epoch(0, 0, cancellation))
            {
                Add(batch, data, frames, people, writer);
                batch.Dispose();
            }

            unreadable.AddRange(loader.Skipped.Select(skip => skip.Reason));
        }

        writer.WriteOverlays(frames, people);
        return [.. frames.Zip(people, (frame, list) => new FoundPeople(frame.Source, frame.Number, list))];
    }

    private void Add(HostBatch batch, PosePredictionData data, PoseFrame[] frames, List<FoundPerson>[] people, PosePredictionWriter writer)
    {
        using var scope = torch.NewDisposeScope();
        var fields = HostTensors.Of(batch, _model.Device);
        var outputs = _runner.Run(fields);
        if (outputs.FirstOrDefault(output => !output.Value.isfinite().all().item<bool>()).Key is { } wrong)
            throw new FrostlineException(
                $"{_model.Source} makes numbers that are none (NaN, infinity) of {batch.Sources[0]}, in \"{wrong}\"; its weights are damaged, or the preprocessing is another's");
        var read = PoseReader.Read(outputs, fields, _skeleton, _options.Reading, "prediction");
        for (var row = 0; row < read.Count; row++)
        {
            var (sample, joints, _) = read[row];
            var (number, (box, score)) = (data.FrameOf(sample), data.BoxOf(sample));
            var name = FormattableString.Invariant($"{frames[number].Name}-{people[number].Count}");
            var person = new PredictedPerson { ImageId = frames[number].Number, Joints = joints, Score = PersonScore.Of(score, joints), Box = box };
            people[number].Add(new FoundPerson(box, person));
            if (_options.Pictures.HasFlag(PosePictures.Heatmaps)) writer.WriteHeatmaps(name, fields["image"], PoseReader.HeatmapsOf(outputs, _options.Reading.Output), row, read.Count);
            foreach (var tap in _taps) writer.WriteTap(name, tap, outputs[tap], row, read.Count);
        }
    }

    private static IReadOnlyList<string> UsualTaps(List<string> written) =>
        [.. HRNetPose.Taps.Select(tap => written.FirstOrDefault(name => name == tap || name.EndsWith($".{tap}", StringComparison.Ordinal))).OfType<string>()];

    /// <summary>The joints by their number, where nothing says what they are; those of COCO where there are as many.</summary>
    private static Skeleton SkeletonOf(torch.nn.Module network)
    {
        var joints = (network as IPoseNetwork)?.Joints
            ?? throw new FrostlineException("nothing says which joints the network finds; give --skeleton, or a model file that frostline train wrote");
        return joints == Skeleton.Coco.Joints.Count
            ? Skeleton.Coco
            : new Skeleton([.. Enumerable.Range(0, joints).Select(joint => FormattableString.Invariant($"joint{joint}"))]);
    }
}
