using Frostline.Vision.Data;
using Frostline.Vision.Pose;
using Xunit;

namespace Frostline.Vision.Tests.Pose.Prediction;

public sealed class PoseOverlayTests
{
    private static readonly Skeleton s_skeleton = new(["head", "hand", "foot"]) { Limbs = [(0, 1), (0, 2)] };

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Joints_are_discs_of_their_colour_and_limbs_lines_between_them(int channels)
    {
        var drawn = Draw(channels, new(20, 20, 1), new(60, 20, 1), new(20, 80, 1));
        Assert.Equal((100, 80, 3), (drawn.Height, drawn.Width, drawn.Channels));
        Assert.Equal((255, 0, 0), At(drawn, 20, 20));
        Assert.Equal((0, 255, 0), At(drawn, 60, 20));
        Assert.Equal((0, 0, 255), At(drawn, 20, 80));
        // Half way along the limb to the foot: the foot's colour, through which the ground is seen a little.
        var (red, green, blue) = At(drawn, 20, 50);
        Assert.True(blue > 150 && red < 60 && green < 60, $"{red} {green} {blue}");
        Assert.Equal((100, 100, 100), At(drawn, 70, 70));
    }

    [Fact]
    public void Joints_of_small_scores_and_their_limbs_are_left_out()
    {
        var drawn = Draw(3, new(20, 20, 1), new(60, 20, 0.1), new(20, 80, 1));
        Assert.Equal((100, 100, 100), At(drawn, 60, 20));
        Assert.Equal((100, 100, 100), At(drawn, 40, 20));
        Assert.Equal((255, 0, 0), At(drawn, 20, 20));
    }

    [Fact]
    public void Joints_outside_and_numbers_that_are_none_do_no_harm()
    {
        var drawn = Draw(3, new(-500, 20, 1), new(double.NaN, 20, 1), new(1e9, 1e9, 1));
        Assert.Equal((100, 80), (drawn.Height, drawn.Width));
    }

    [Fact]
    public void A_person_of_another_skeleton_is_refused()
    {
        var person = new PredictedPerson { ImageId = 0, Score = 1, Joints = [new(1, 1, 1)] };
        Assert.Throws<ArgumentException>(() => PoseOverlay.Draw(new ImageField(new byte[3], 1, 1, 3), [person], s_skeleton));
    }

    private static ImageField Draw(int channels, params PredictedJoint[] joints)
    {
        var pixels = new byte[100 * 80 * channels];
        Array.Fill(pixels, (byte)100);
        return PoseOverlay.Draw(new ImageField(pixels, 100, 80, channels), [new PredictedPerson { ImageId = 0, Score = 1, Joints = joints }], s_skeleton);
    }

    private static (int Red, int Green, int Blue) At(ImageField picture, int x, int y)
    {
        var i = ((y * picture.Width) + x) * 3;
        return (picture.Pixels[i], picture.Pixels[i + 1], picture.Pixels[i + 2]);
    }
}
