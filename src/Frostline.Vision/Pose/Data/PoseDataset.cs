using Frostline.Staging;
using Frostline.Training.Data;
using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>
/// People in image files, each decoded when it is read: with one image a sample, or with a key frame and the frames around it, of which all are seen
/// in the key frame's box.
/// </summary>
public sealed class PoseDataset : IPoseData
{
    private readonly IReadOnlyList<PosePerson> _people;
    private readonly IReadOnlyList<IReadOnlyList<string>>? _frames;

    /// <summary>Creates a data set of files that need not exist before they are read.</summary>
    /// <param name="annotations">All that the files of annotations say.</param>
    /// <param name="people">The samples.</param>
    /// <param name="problems">What is wrong in the files, one line each; null for the problems of the annotations.</param>
    public PoseDataset(PoseAnnotations annotations, IReadOnlyList<PosePerson> people, IReadOnlyList<string>? problems = null)
    {
        ArgumentNullException.ThrowIfNull(annotations);
        ArgumentNullException.ThrowIfNull(people);
        (Annotations, _people, Problems) = (annotations, people, problems ?? annotations.Problems);
    }

    /// <summary>Creates a data set of frames of videos.</summary>
    /// <param name="annotations">All that the files of annotations say.</param>
    /// <param name="people">The samples.</param>
    /// <param name="supports">Which frames go with the key frame, in the order of the rows.</param>
    /// <param name="frames">For each sample the paths of its frames, the key frame first.</param>
    /// <param name="problems">What is wrong in the files, one line each; null for the problems of the annotations.</param>
    /// <exception cref="ArgumentException">There is not one list of frames a sample, or it is not one longer than the supports.</exception>
    public PoseDataset(
        PoseAnnotations annotations,
        IReadOnlyList<PosePerson> people,
        IReadOnlyList<int> supports,
        IReadOnlyList<IReadOnlyList<string>> frames,
        IReadOnlyList<string>? problems = null)
        : this(annotations, people, problems)
    {
        ArgumentNullException.ThrowIfNull(supports);
        ArgumentNullException.ThrowIfNull(frames);
        if (frames.Count != people.Count || frames.Any(paths => paths.Count != supports.Count + 1))
            throw new ArgumentException("every sample needs its key frame and one frame a support", nameof(frames));
        (Supports, _frames) = (supports, supports.Count == 0 ? null : frames);
    }

    /// <inheritdoc/>
    public PoseAnnotations Annotations { get; }

    /// <inheritdoc/>
    public IReadOnlyList<int> Supports { get; } = [];

    /// <inheritdoc/>
    public int Count => _people.Count;

    /// <summary>Null: people have joints and no classes.</summary>
    public ClassMap? Classes => null;

    /// <inheritdoc/>
    public IReadOnlyList<string> Problems { get; }

    /// <inheritdoc/>
    public PosePerson PersonOf(int index) => _people[index];

    /// <inheritdoc/>
    public IReadOnlyList<int> LabelsOf(int index) => [];

    /// <inheritdoc/>
    public string SourceOf(int index) => PoseSamples.SourceOf(_people[index]);

    /// <inheritdoc/>
    public Sample Read(int index) => Load(index).Decode();

    /// <inheritdoc/>
    public SampleContent? Open(int index) => Load(index);

    private SampleContent Load(int index)
    {
        var person = _people[index];
        var paths = _frames?[index] ?? [person.Image.Path];
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var path in paths) if (!files.ContainsKey(path)) files.Add(path, ImageFile.ReadAll(path));
        var hashes = files.ToDictionary(file => file.Key, file => PoseSamples.HashOf(file.Value, person.Box), StringComparer.Ordinal);
        return new SampleContent([.. paths.Select(path => hashes[path])], Decode, () => PoseSamples.SampleOf(this, index, null));

        Sample Decode()
        {
            // Frames that repeat the key frame are decoded once.
            var pictures = files.ToDictionary(file => file.Key, file => ImageFile.Decode(file.Value, file.Key), StringComparer.Ordinal);
            PoseSamples.RequireSize(pictures[paths[0]], person.Image);
            var other = pictures.FirstOrDefault(p => p.Value.Width != pictures[paths[0]].Width || p.Value.Height != pictures[paths[0]].Height);
            if (other.Key is not null) throw new UnreadableSampleException(other.Key, $"the frame has another size than its key frame {paths[0]}");
            return PoseSamples.SampleOf(this, index, _frames is null ? pictures[paths[0]] : new FramesField([.. paths.Select(path => pictures[path])]));
        }
    }
}

/// <summary>What the data sets of pose share about samples.</summary>
internal static class PoseSamples
{
    /// <summary>Where a person is from: the image's path and the annotation's id.</summary>
    public static string SourceOf(PosePerson person) => person.Annotation is { } annotation
        ? FormattableString.Invariant($"{person.Image.Path}#{annotation.Id}")
        : FormattableString.Invariant($"{person.Image.Path}#({person.Box.X:0.#}, {person.Box.Y:0.#}, {person.Box.Width:0.#}, {person.Box.Height:0.#})");

    /// <summary>
    /// A hash of all that one row is made from: the image and the box that it is seen in, which <c>pose-crop</c> cuts out.
    /// </summary>
    public static UInt128 HashOf(byte[] file, Box box) => new FeatureKeyBuilder()
        .AddHash(ImageFile.HashOf(file))
        .Add(BitConverter.DoubleToInt64Bits(box.X)).Add(BitConverter.DoubleToInt64Bits(box.Y))
        .Add(BitConverter.DoubleToInt64Bits(box.Width)).Add(BitConverter.DoubleToInt64Bits(box.Height))
        .Build().Value;

    /// <summary>A sample with the person's image or frames; without them a partial one.</summary>
    public static Sample SampleOf(IPoseData data, int index, ISampleField? image)
    {
        var person = data.PersonOf(index);
        var sample = new Sample { Source = data.SourceOf(index), IsPartial = image is null };
        if (image is not null) sample.Set("image", image);
        var joints = person.Annotation?.Joints ?? new Joint[data.Skeleton.Joints.Count];
        sample.Set("pose", new PoseField(index, joints, data.Skeleton, person.Box, PoseView.Around(person.Box)));
        return sample;
    }

    /// <summary>Refuses a picture of another size than the annotations were made on: its joints would lie elsewhere.</summary>
    public static void RequireSize(ImageField picture, PoseImage image)
    {
        if (image.Width == 0 || image.Height == 0 || (picture.Width == image.Width && picture.Height == image.Height)) return;
        throw new UnreadableSampleException(
            image.Path, $"the picture is {picture.Width} x {picture.Height}, and the annotations were made on one of {image.Width} x {image.Height}");
    }

    /// <summary>The people that training and validation are about: no crowds, and at least so many joints labelled.</summary>
    public static IReadOnlyList<PosePerson> Labelled(PoseAnnotations annotations, int minimumJoints)
    {
        var images = annotations.Images.ToDictionary(image => image.Id);
        return [.. annotations.People
            .Where(person => !person.IsCrowd && person.LabelledJoints >= minimumJoints)
            .Select(person => new PosePerson { Image = images[person.ImageId], Box = person.Box, Annotation = person })];
    }

    /// <summary>The people that a detector found.</summary>
    public static IReadOnlyList<PosePerson> Detected(PoseAnnotations annotations, PersonDetections detections)
    {
        var images = annotations.Images.ToDictionary(image => image.Id);
        return [.. detections.People.Select(found => new PosePerson { Image = images[found.ImageId], Box = found.Box, Score = found.Score })];
    }
}
