namespace Frostline.Vision.Networks;

/// <summary>
/// The widths with published weights; any other is possible. The width is the number of channels of the branch with the highest resolution.
/// </summary>
public static class HRNetWidth
{
    /// <summary>18 channels: classification.</summary>
    public const int W18 = 18;

    /// <summary>32 channels: 28.5 million parameters for pose.</summary>
    public const int W32 = 32;

    /// <summary>48 channels: 63.6 million parameters for pose.</summary>
    public const int W48 = 48;
}

/// <summary>
/// How large an HRNet is (Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019; Wang et al. for the
/// small ones, in the published configurations).
/// </summary>
/// <param name="Width">Channels of the branch with the highest resolution; each further branch has half the resolution and twice the channels.</param>
public sealed record HRNetLayout(int Width)
{
    private const int MostChannels = 4096;

    /// <summary>The published W18-small, version 1: width 16, one module a stage, blocks of two.</summary>
    public static HRNetLayout SmallV1 { get; } = new(16) { FirstBlocks = 1, FirstWidth = 32, Modules = [1, 1, 1], Blocks = 2 };

    /// <summary>The published W18-small, version 2: width 18, one, three and two modules a stage, blocks of two.</summary>
    public static HRNetLayout SmallV2 { get; } = new(HRNetWidth.W18) { FirstBlocks = 2, Modules = [1, 3, 2], Blocks = 2 };

    /// <summary>Bottleneck blocks of <c>layer1</c>; default 4.</summary>
    public int FirstBlocks { get; init; } = 4;

    /// <summary>Channels of the 3 x 3 convolutions of <c>layer1</c>, which puts out four times as many; default 64.</summary>
    public int FirstWidth { get; init; } = 64;

    /// <summary>Modules of stage2, stage3 and stage4, each of which ends in an exchange between the branches; default 1, 4, 3.</summary>
    public IReadOnlyList<int> Modules { get; init; } = [1, 4, 3];

    /// <summary>Residual blocks of each branch of a module; default 4.</summary>
    public int Blocks { get; init; } = 4;

    /// <summary>Channels of a branch.</summary>
    /// <param name="branch">The branch, from 0: the one with the highest resolution.</param>
    public int ChannelsOf(int branch) => Width << branch;

    /// <summary>Refuses what cannot be built.</summary>
    /// <param name="network">The network's name for the message.</param>
    /// <exception cref="FrostlineException">A number is less than 1 or absurd, or there are not three stages.</exception>
    internal void Check(string network)
    {
        Require(Width is >= 1 and <= MostChannels / 8, $"a width of {Width}");
        Require(FirstBlocks >= 1 && FirstWidth is >= 1 and <= MostChannels / 4, $"{FirstBlocks} first blocks of width {FirstWidth}");
        Require(Blocks >= 1, $"{Blocks} blocks in a branch");
        Require(Modules is [>= 1, >= 1, >= 1], $"modules of {string.Join(", ", Modules)}");

        void Require(bool holds, string what)
        {
            if (!holds)
                throw new FrostlineException($"{network}: {what} is impossible; give a width from 1 to {MostChannels / 8}, and at least one block and module in each of the three stages");
        }
    }
}
