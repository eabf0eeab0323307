using Frostline.Training.Metrics;
using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Vision.Pose;

/// <summary>
/// What the metrics of pose share: they read the joints of each person that is measured, in pixels of the images, and compare them with what the data
/// set's annotations say.
/// </summary>
public abstract class PoseMetric : IMetric
{
    private readonly PoseReadingOptions _options;
    private readonly string _reader;
    private readonly List<ReadPerson> _people = [];

    /// <summary>Prepares to measure.</summary>
    /// <param name="data">What is measured on.</param>
    /// <param name="options">How joints are read.</param>
    /// <param name="name">The metric's name.</param>
    private protected PoseMetric(IPoseData data, PoseReadingOptions options, string name)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        (Data, _options, _reader) = (data, options, $"metric {name}");
    }

    /// <summary>What is measured on.</summary>
    private protected IPoseData Data { get; }

    /// <summary>The people that were measured so far.</summary>
    private protected IReadOnlyList<ReadPerson> People => _people;

    /// <inheritdoc/>
    public void Reset() => _people.Clear();

    /// <inheritdoc/>
    public void Add(IReadOnlyDictionary<string, torch.Tensor> outputs, IReadOnlyDictionary<string, torch.Tensor> fields)
    {
        var read = PoseReader.Read(outputs, fields, Data.Skeleton, _options, _reader);
        if (read.FirstOrDefault(person => person.Person < 0 || person.Person >= Data.Count) is { } stray)
            throw new FrostlineException($"the {_reader} meets person {stray.Person}, and the validation data has {Data.Count}");
        _people.AddRange(read);
    }

    /// <inheritdoc/>
    public abstract MetricResult Result();

    /// <summary>The data set of poses that is validated on.</summary>
    /// <exception cref="FrostlineException">There is none.</exception>
    internal static IPoseData DataOf(BuildContext context, string name) => context.ValidationData?.Origin as IPoseData
        ?? throw new FrostlineException($"the metric {name} compares with annotated joints, and there is no validation data that has any; give validate: coco-keypoints or another data set of poses");

    /// <summary>The people that were measured as predictions: their score is the box's times the mean of their joints' above 0.2.</summary>
    private List<PredictedPerson> Predictions() =>
    [
        .. _people.Select(read =>
        {
            var person = Data.PersonOf(read.Person);
            return new PredictedPerson
            {
                ImageId = person.Image.Id,
                Joints = read.Joints,
                Score = PersonScore.Of(person.Score, read.Joints),
                Box = person.Box,
                TrackId = person.Annotation?.TrackId,
            };
        }),
    ];

    /// <summary>
    /// The annotated people that predictions are compared with. Where the samples are annotated people and only some of them were measured, the others count
    /// as crowds do: neither found nor missed. Where a detector found them, all people of all images count, if all samples were measured.
    /// </summary>
    private protected List<PersonAnnotation> Truth()
    {
        var measured = _people.Select(read => Data.PersonOf(read.Person)).ToList();
        var images = measured.Select(person => person.Image.Id).ToHashSet();
        if (measured.TrueForAll(person => person.Annotation is null))
            return [.. Data.Annotations.People.Where(person => _people.Count >= Data.Count || images.Contains(person.ImageId))];
        var ids = measured.Select(person => person.Annotation?.Id).OfType<long>().ToHashSet();
        return
        [
            .. Data.Annotations.People.Where(person => images.Contains(person.ImageId))
                .Select(person => ids.Contains(person.Id) || person.IsCrowd ? person : person with { IsCrowd = true }),
        ];
    }

    /// <summary>The predictions without people that are there twice, where a detector found them.</summary>
    /// <param name="threshold">More alike than that (OKS) is the same person.</param>
    private protected List<PredictedPerson> DistinctPredictions(double threshold)
    {
        var people = Predictions();
        if (Data.Skeleton.Sigmas is not { } sigmas || _people.Exists(read => Data.PersonOf(read.Person).Annotation is not null)) return people;
        return
        [
            .. people.Zip(_people, (person, read) => (Person: person, Area: read.View.Width * read.View.Height)).GroupBy(pair => pair.Person.ImageId).SelectMany(image =>
            {
                PredictedPerson[] all = [.. image.Select(pair => pair.Person)];
                return OksNms.Hard(all, [.. image.Select(pair => pair.Area)], sigmas, threshold).Select(kept => all[kept]);
            }),
        ];
    }
}
