namespace Frostline.Vision.Networks;

/// <summary>A network that finds a person's joints.</summary>
public interface IPoseNetwork
{
    /// <summary>How many joints.</summary>
    int Joints { get; }
}

/// <summary>A network that finds a person's joints in a frame of a video by looking at the frames around it too.</summary>
public interface IVideoPoseNetwork : IPoseNetwork
{
    /// <summary>The supporting frames counted from the key frame, in the order of the rows behind it: -2, -1, 1, 2.</summary>
    IReadOnlyList<int> FrameOffsets { get; }
}
