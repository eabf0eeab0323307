using System.ComponentModel.DataAnnotations;
using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>Options of the data set <c>simulated-video</c>.</summary>
public sealed class SimulatedVideoOptions : CocoFileOptions
{
    /// <summary>The simulated frames beside the key frame, counted from it, in this order. Default: -2, -1, 1 and 2.</summary>
    [MinLength(1)]
    public IReadOnlyList<int> Supports { get; set; } = [-2, -1, 1, 2];

    /// <summary>
    /// How far the picture shifts from the key frame to the next at the most, in each direction, as a share of the longer side of the person's box.
    /// Default: 3 %.
    /// </summary>
    [Percentage]
    [Range(0.0, 1.0)]
    public double Shift { get; set; } = 0.03;

    /// <summary>By how many degrees it turns about the box's centre at the most. Default: 2.</summary>
    [Range(0.0, 45.0)]
    public double Rotation { get; set; } = 2;

    /// <summary>By which share it grows or shrinks about the box's centre at the most. Default: 2 %.</summary>
    [Percentage]
    [Range(0.0, 0.5)]
    public double Scale { get; set; } = 0.02;

    /// <summary>By which share it grows lighter or darker at the most. Default: 4 %.</summary>
    [Percentage]
    [Range(0.0, 0.5)]
    public double Light { get; set; } = 0.04;

    /// <inheritdoc/>
    public override OptionProblem? Check() =>
        SupportFrames.ProblemOf(Supports) is { } problem ? new OptionProblem(nameof(Supports), problem) : base.Check();
}

/// <summary>What a simulated frame is made of a still image by.</summary>
/// <param name="Offset">Its number, counted from the key frame.</param>
/// <param name="Motion">Maps pixels of the still image to pixels of the frame; that of the key frame moves nothing.</param>
/// <param name="Gain">What grey levels are multiplied by; 1 in the key frame.</param>
public readonly record struct SimulatedFrame(int Offset, Affine Motion, double Gain);

/// <summary>
/// Simulated videos, made of still images: not recorded, and nothing but the whole picture moves in them. The still is the key frame; in the frames
/// around it the picture shifts, turns, grows and changes its light smoothly, each along a course of its own that is drawn from (seed, index). So the
/// joints of every frame are known exactly. For training and tests where no annotated video is at hand; results on it say nothing about real motion.
/// What the motion uncovers is black.
/// </summary>
public sealed class SimulatedVideo : IPoseData
{
    private readonly IReadOnlyList<PosePerson> _people;
    private readonly SimulatedVideoOptions _options;
    private readonly long _seed;

    private SimulatedVideo(PoseAnnotations annotations, IReadOnlyList<PosePerson> people, SimulatedVideoOptions options, long seed) =>
        (Annotations, _people, _options, _seed) = (annotations, people, options, seed);

    /// <summary>Reads annotations in COCO's format; nothing is decoded.</summary>
    /// <param name="options">Which files, and how the picture moves.</param>
    /// <param name="context">From where relative paths count, and the seed.</param>
    /// <exception cref="FrostlineException">
    /// A file is missing or not in the format, a joint that the options name does not exist, or nobody is left.
    /// </exception>
    public static SimulatedVideo Open(SimulatedVideoOptions options, BuildContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context);
        if (options.Check() is { } problem) throw new FrostlineException($"{problem.Property}: {problem.Message}");
        var annotations = options.Read(context);
        var people = options.Draw(PoseSamples.Labelled(annotations, options.MinimumJoints), context);
        return new SimulatedVideo(annotations, KeypointData.Some(people, options.Annotations), options, options.Seed ?? context.Seed);
    }

    /// <inheritdoc/>
    public PoseAnnotations Annotations { get; }

    /// <inheritdoc/>
    public IReadOnlyList<int> Supports => _options.Supports;

    /// <inheritdoc/>
    public int Count => _people.Count;

    /// <summary>Null: people have joints and no classes.</summary>
    public ClassMap? Classes => null;

    /// <inheritdoc/>
    public IReadOnlyList<string> Problems => Annotations.Problems;

    /// <inheritdoc/>
    public PosePerson PersonOf(int index) => _people[index];

    /// <inheritdoc/>
    public IReadOnlyList<int> LabelsOf(int index) => [];

    /// <inheritdoc/>
    public string SourceOf(int index) => $"{PoseSamples.SourceOf(_people[index])} (simulated video)";

    /// <summary>How the frames of a sample are made: the key frame, then the supports. The same for a (seed, index) in every run.</summary>
    /// <param name="index">The sample.</param>
    public IReadOnlyList<SimulatedFrame> FramesOf(int index)
    {
        var box = _people[index].Box;
        var random = new CounterRandom(_seed, FormattableString.Invariant($"simulated-video:{index}"));
        var longer = Math.Max(box.Width, box.Height);
        Course x = new(_options.Shift * longer, random), y = new(_options.Shift * longer, random);
        Course turn = new(_options.Rotation * (Math.PI / 180), random), scale = new(_options.Scale, random), light = new(_options.Light, random);
        return [new SimulatedFrame(0, Affine.Identity, 1), .. Supports.Select(offset => new SimulatedFrame(
            offset, About(box.Center, x.At(offset), y.At(offset), turn.At(offset), Math.Exp(scale.At(offset))), Math.Exp(light.At(offset))))];
    }

    /// <summary>The joints in a frame of a sample, exactly; the labelled ones may lie outside the picture.</summary>
    /// <param name="index">The sample.</param>
    /// <param name="frame">The frame's row: 0 for the key frame.</param>
    public IReadOnlyList<Joint> JointsOf(int index, int frame)
    {
        var motion = FramesOf(index)[frame].Motion;
        return [.. _people[index].Annotation!.Joints.Select(joint =>
        {
            if (!joint.IsLabelled) return joint;
            var (x, y) = motion.Apply(joint.X, joint.Y);
            return joint with { X = x, Y = y };
        })];
    }

    /// <inheritdoc/>
    public Sample Read(int index) => Load(index).Decode();

    /// <inheritdoc/>
    public SampleContent? Open(int index) => Load(index);

    private SampleContent Load(int index)
    {
        var person = _people[index];
        var file = ImageFile.ReadAll(person.Image.Path);
        var frames = FramesOf(index);
        var still = PoseSamples.HashOf(file, person.Box);
        return new SampleContent([.. frames.Select(frame => HashOf(still, frame))], Decode, () => PoseSamples.SampleOf(this, index, null));

        Sample Decode()
        {
            var picture = ImageFile.Decode(file, person.Image.Path);
            PoseSamples.RequireSize(picture, person.Image);
            return PoseSamples.SampleOf(this, index, new FramesField([.. frames.Select(frame => Made(picture, frame))]));
        }
    }

    private static ImageField Made(ImageField still, SimulatedFrame frame)
    {
        if (frame.Offset == 0) return still;
        var moved = frame.Motion == Affine.Identity ? still : PoseWarp.Apply(still, frame.Motion, still.Width, still.Height);
        if (frame.Gain == 1) return moved;
        var levels = new byte[256];
        for (var level = 0; level < levels.Length; level++) levels[level] = (byte)Math.Clamp(Math.Round(level * frame.Gain), 0, 255);
        var pixels = new byte[moved.Pixels.Length];
        for (var i = 0; i < pixels.Length; i++) pixels[i] = levels[moved.Pixels[i]];
        return moved.WithPicture(pixels, moved.Height, moved.Width);
    }

    // The key frame is the still itself, so that its features are those of the same person in coco-keypoints.
    private static UInt128 HashOf(UInt128 still, SimulatedFrame frame)
    {
        if (frame.Offset == 0) return still;
        var hash = new FeatureKeyBuilder().AddHash(still).Add("simulated frame");
        var motion = frame.Motion;
        foreach (var number in new[] { motion.A, motion.B, motion.C, motion.D, motion.E, motion.F, frame.Gain }) hash.Add(BitConverter.DoubleToInt64Bits(number));
        return hash.Build().Value;
    }

    private static Affine About((double X, double Y) centre, double shiftX, double shiftY, double turn, double scale)
    {
        var (sin, cos) = Math.SinCos(turn);
        double a = scale * cos, b = -scale * sin, d = scale * sin, e = scale * cos;
        return new Affine(
            a, b, centre.X + shiftX - ((a * centre.X) + (b * centre.Y)), d, e, centre.Y + shiftY - ((d * centre.X) + (e * centre.Y)));
    }

    /// <summary>
    /// One quantity over time: 0 at the key frame, with a speed there and a steady change of speed, both drawn, so that it is at most a given number in
    /// the frames next to it.
    /// </summary>
    private readonly struct Course(double most, CounterRandom random)
    {
        private readonly double _speed = most * random.NextDouble(-0.75, 0.75), _change = most * random.NextDouble(-0.25, 0.25);

        public double At(int offset) => (_speed * offset) + (_change * offset * offset);
    }
}
