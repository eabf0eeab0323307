using System.Globalization;

namespace Frostline.Vision.Networks;

/// <summary>Checks what every classifier is created from.</summary>
internal static class ClassifierOptions
{
    /// <summary>Checks the number of classes and input channels.</summary>
    /// <exception cref="FrostlineException">One is less than 1.</exception>
    public static void Check(string network, int classes, int inputChannels)
    {
        if (classes < 1) throw new FrostlineException(string.Create(CultureInfo.InvariantCulture, $"{network} needs at least one class but is given {classes}"));
        if (inputChannels < 1) throw new FrostlineException(string.Create(CultureInfo.InvariantCulture, $"{network} needs at least one input channel but is given {inputChannels}"));
    }
}
