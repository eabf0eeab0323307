using System.Collections.Concurrent;
using Frostline.Training.Data;
using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>People in frames as samples without labels: a sample a box, frame after frame.</summary>
internal sealed class PosePredictionData : IDataset
{
    private readonly IReadOnlyList<PoseFrame> _frames;
    private readonly Skeleton _skeleton;
    private readonly List<(int Frame, ScoredBox? Box)> _people = [];
    private readonly ConcurrentDictionary<int, Box> _wholes = [];

    /// <summary>Creates the data.</summary>
    /// <param name="frames">The frames.</param>
    /// <param name="boxes">The boxes of people; null for the whole picture of every frame.</param>
    /// <param name="skeleton">The joints of the network.</param>
    public PosePredictionData(IReadOnlyList<PoseFrame> frames, PersonBoxes? boxes, Skeleton skeleton)
    {
        (_frames, _skeleton) = (frames, skeleton);
        foreach (var (number, frame) in frames.Index())
        {
            if (boxes is null) _people.Add((number, null));
            else foreach (var box in frame.IsOfVideo ? boxes.Of(frame.Number) : boxes.Of(frame.Source)) _people.Add((number, box));
        }
    }

    /// <inheritdoc/>
    public int Count => _people.Count;

    /// <summary>Null: people have joints and no classes.</summary>
    public ClassMap? Classes => null;

    /// <summary>The frame of a sample, by its place among the frames.</summary>
    public int FrameOf(int index) => _people[index].Frame;

    /// <summary>The box of a sample that has been read.</summary>
    public ScoredBox BoxOf(int index) => _people[index].Box ?? new ScoredBox(_wholes[_people[index].Frame]);

    /// <inheritdoc/>
    public IReadOnlyList<int> LabelsOf(int index) => [];

    /// <inheritdoc/>
    public string SourceOf(int index) => _frames[_people[index].Frame].Source;

    /// <inheritdoc/>
    public Sample Read(int index)
    {
        var (number, scored) = _people[index];
        var frame = _frames[number];
        ImageField[] pictures = [.. frame.Pictures.Select(load => load())];
        var whole = _wholes.GetOrAdd(number, new Box(0, 0, pictures[0].Width, pictures[0].Height));
        var box = scored?.Box ?? whole;
        var sample = new Sample { Source = frame.Source };
        if (pictures is [var only]) sample.Set("image", only);
        else sample.Set("image", new FramesField(pictures));
        sample.Set("pose", new PoseField(index, new Joint[_skeleton.Joints.Count], _skeleton, box, PoseView.Around(box)));
        return sample;
    }
}
