using System.Globalization;
using System.Text;
using Frostline.Vision.Data;
using NetVips;

namespace Frostline.Vision.Pose;

/// <summary>Draws people's joints and limbs over a picture, by libvips.</summary>
public static class PoseOverlay
{
    /// <summary>The joints from which on a person is drawn by default: those of at least this score.</summary>
    public const double DefaultLeastScore = 0.2;

    /// <summary>The picture with the people over it: limbs as lines, joints as discs with a dark rim, each joint in a colour of its own.</summary>
    /// <param name="picture">The picture; grey or RGB.</param>
    /// <param name="people">The people, joints in pixels of the picture; those outside are cut off.</param>
    /// <param name="skeleton">Their joints and limbs.</param>
    /// <param name="leastScore">Joints of a smaller score are left out, with the limbs that end there.</param>
    /// <returns>An RGB picture of the same size.</returns>
    /// <exception cref="ArgumentException">A person has not as many joints as the skeleton.</exception>
    public static ImageField Draw(
        ImageField picture, IEnumerable<PredictedPerson> people, Skeleton skeleton, double leastScore = DefaultLeastScore)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentNullException.ThrowIfNull(people);
        ArgumentNullException.ThrowIfNull(skeleton);
        var svg = Encoding.UTF8.GetBytes(Svg(picture, people, skeleton, leastScore));
        using var plain = Image.NewFromMemoryCopy(picture.Pixels, picture.Width, picture.Height, picture.Channels, Enums.BandFormat.Uchar);
        using var grey = picture.Channels == 1 ? plain.Bandjoin(plain, plain) : plain.ExtractBand(0, n: 3);
        using var ground = grey.Copy(interpretation: Enums.Interpretation.Srgb);
        using var drawing = Image.SvgloadBuffer(svg);
        using var both = ground.Composite2(drawing, Enums.BlendMode.Over);
        using var opaque = both.ExtractBand(0, n: 3);
        using var bytes = opaque.Cast(Enums.BandFormat.Uchar);
        return new ImageField(bytes.WriteToMemory<byte>(), picture.Height, picture.Width, 3);
    }

    /// <summary>The colour of a joint: hues around the circle in the order of the joints.</summary>
    /// <param name="joint">The joint's index.</param>
    /// <param name="joints">How many there are.</param>
    internal static (byte Red, byte Green, byte Blue) ColourOf(int joint, int joints)
    {
        var hue = 6.0 * joint / joints;
        var part = (byte)(255 * (1 - Math.Abs((hue % 2) - 1)));
        return (int)hue switch
        {
            0 => (255, part, 0),
            1 => (part, 255, 0),
            2 => (0, 255, part),
            3 => (0, part, 255),
            4 => (part, 0, 255),
            _ => (255, 0, part),
        };
    }

    private static string Svg(ImageField picture, IEnumerable<PredictedPerson> people, Skeleton skeleton, double leastScore)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{picture.Width}\" height=\"{picture.Height}\">");
        // Pixel (0, 0) is a square whose middle is half a pixel from the corner, where SVG has its origin.
        text.Append("<g transform=\"translate(0.5 0.5)\">");
        foreach (var person in people)
        {
            if (person.Joints.Count != skeleton.Joints.Count)
                throw new ArgumentException($"a person of {person.Joints.Count} joints does not fit a skeleton of {skeleton.Joints.Count}", nameof(people));
            AddPerson(text, person, skeleton, Math.Clamp(SizeOf(person, leastScore) / 80, 1, 8), leastScore);
        }

        return text.Append("</g></svg>").ToString();
    }

    private static void AddPerson(StringBuilder text, PredictedPerson person, Skeleton skeleton, double stroke, double leastScore)
    {
        foreach (var (from, to) in skeleton.Limbs)
        {
            var (a, b) = (person.Joints[from], person.Joints[to]);
            if (!IsSeen(a, leastScore) || !IsSeen(b, leastScore)) continue;
            text.Append(
                CultureInfo.InvariantCulture,
                $"<line x1=\"{a.X:F2}\" y1=\"{a.Y:F2}\" x2=\"{b.X:F2}\" y2=\"{b.Y:F2}\" stroke=\"{Hex(to, skeleton)}\" stroke-opacity=\"0.8\" stroke-width=\"{stroke:F2}\"/>");
        }

        for (var i = 0; i < person.Joints.Count; i++)
        {
            var joint = person.Joints[i];
            if (!IsSeen(joint, leastScore)) continue;
            text.Append(
                CultureInfo.InvariantCulture,
                $"<circle cx=\"{joint.X:F2}\" cy=\"{joint.Y:F2}\" r=\"{1.5 * stroke:F2}\" fill=\"{Hex(i, skeleton)}\" stroke=\"#202020\" stroke-width=\"{stroke / 3:F2}\"/>");
        }
    }

    private static bool IsSeen(PredictedJoint joint, double leastScore) => joint.Score >= leastScore && double.IsFinite(joint.X) && double.IsFinite(joint.Y);

    /// <summary>The diagonal of the box around the joints that are drawn.</summary>
    private static double SizeOf(PredictedPerson person, double leastScore)
    {
        var seen = person.Joints.Where(joint => IsSeen(joint, leastScore)).ToList();
        if (seen.Count == 0) return 0;
        var (width, height) = (seen.Max(joint => joint.X) - seen.Min(joint => joint.X), seen.Max(joint => joint.Y) - seen.Min(joint => joint.Y));
        return Math.Sqrt((width * width) + (height * height));
    }

    private static string Hex(int joint, Skeleton skeleton)
    {
        var (red, green, blue) = ColourOf(joint, skeleton.Joints.Count);
        return $"#{red:X2}{green:X2}{blue:X2}";
    }
}
