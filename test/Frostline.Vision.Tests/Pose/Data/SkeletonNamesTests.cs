using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

/// <summary>What the names of joints tell.</summary>
public sealed class SkeletonNamesTests
{
    [Fact]
    public void Known_joints_have_the_known_skeleton_whatever_the_limbs_of_the_file()
    {
        foreach (var known in new[] { Skeleton.Coco, Skeleton.PoseTrack18, Skeleton.PoseTrack17, Skeleton.Lsp })
            Assert.Same(known, SkeletonNames.SkeletonOf([.. known.Joints], [(0, 1)]));
        Assert.NotSame(Skeleton.Coco, SkeletonNames.SkeletonOf([.. Skeleton.Coco.Joints.Skip(1)], []));
    }

    [Fact]
    public void Pairs_follow_from_the_names_as_they_stand_in_the_known_skeletons()
    {
        foreach (var known in new[] { Skeleton.Coco, Skeleton.PoseTrack18, Skeleton.PoseTrack17, Skeleton.Lsp })
            Assert.Equal(known.FlipPairs.Order(), SkeletonNames.FlipPairsOf(known.Joints).Order());
    }

    [Theory]
    [InlineData("left_hip,right_hip", 0, 1)]
    [InlineData("right_hip,left_hip", 1, 0)]
    [InlineData("LeftHip,RightHip", 0, 1)]
    [InlineData("Left Hip,nose,Right Hip", 0, 2)]
    [InlineData("hip-l,hip-r", 0, 1)]
    [InlineData("l_hip,r_hip", 0, 1)]
    [InlineData("hip.left.1,hip.right.1", 0, 1)]
    public void Left_and_right_are_found_in_many_spellings(string names, int left, int right) =>
        Assert.Equal([(left, right)], SkeletonNames.FlipPairsOf(names.Split(',')));

    [Theory]
    [InlineData("leftover,rightover")]
    [InlineData("left_hip,right_knee")]
    [InlineData("tail_left")]
    [InlineData("l,beak")]
    public void Other_names_make_no_pair(string names) => Assert.Empty(SkeletonNames.FlipPairsOf(names.Split(',')));
}
