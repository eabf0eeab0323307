using System.Globalization;

namespace Frostline.Vision.Networks;

/// <summary>Checks what every classifier is created from.</summary>
internal static class ClassifierOptions
{
    /// <summary>Checks the number of classes and input channels.</summary>
    /// <exception cref="FrostlineException">One is less than 1.</exception>
    public static void Check(string network, int classes, int inputChannels)
    {
        if (classes < 1) throw TooFew(network, "class", classes);
        if (inputChannels < 1) throw TooFew(network, "input channel", inputChannels);
    }

    private static FrostlineException TooFew(string network, string what, int count) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{network} needs at least one {what} but is given {count}"));
}
