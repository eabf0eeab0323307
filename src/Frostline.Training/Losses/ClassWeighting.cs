using Frostline.Training.Registration;

namespace Frostline.Training.Losses;

/// <summary>How classes count in a loss.</summary>
public enum ClassWeightMode
{
    /// <summary>Every class counts the same.</summary>
    None,

    /// <summary>Rare classes count more, by the counts of the training samples.</summary>
    Balanced,
}

/// <summary>The weights of classes in a loss: a mode, or explicit values.</summary>
public sealed class ClassWeighting
{
    /// <summary>Where the weights come from; default none. Not used where <see cref="Values"/> is given.</summary>
    [Shorthand]
    public ClassWeightMode Mode { get; set; }

    /// <summary>The weight of each class, in the order of the classes.</summary>
    [Shorthand]
    public IReadOnlyList<double>? Values { get; set; }

    /// <summary>
    /// The weights of a loss that picks one class: the given ones, or balanced as samples / (classes * samples of the class), so
    /// that every class weighs the same in sum. A class without a sample gets 1.
    /// </summary>
    /// <param name="context">What is known of the data.</param>
    /// <param name="loss">The loss, for messages.</param>
    /// <returns>One weight a class, or null where every class counts the same.</returns>
    /// <exception cref="FrostlineException">
    /// The number of values differs from that of the classes, a value is negative, or counts are not known.
    /// </exception>
    internal float[]? ByClass(BuildContext context, string loss) =>
        Resolve(context, loss, (count, samples, classes) => samples / ((double)classes * count));

    /// <summary>
    /// The weights of positives in a loss over independent labels: the given ones, or balanced as negatives / positives.
    /// </summary>
    /// <inheritdoc cref="ByClass"/>
    internal float[]? OfPositives(BuildContext context, string loss) =>
        Resolve(context, loss, (count, samples, _) => (samples - count) / (double)count);

    private float[]? Resolve(BuildContext context, string loss, Func<long, long, int, double> balance)
    {
        if (Values is { } values) return Explicit(values, context, loss);
        if (Mode == ClassWeightMode.None) return null;
        if (context.ClassCounts is not { } counts)
            throw new FrostlineException(
                $"the loss {loss} has balanced class weights, and the training data has no classes to count; give the weights "
                    + "as values");
        var samples = context.SampleCount ?? counts.Sum();
        return [.. counts.Select(count => count == 0 ? 1f : (float)balance(count, samples, counts.Count))];
    }

    private static float[] Explicit(IReadOnlyList<double> values, BuildContext context, string loss)
    {
        if (context.Classes is { } classes && classes.Names.Count != values.Count)
            throw new FrostlineException($"the loss {loss} has {values.Count} class weights, and the data has "
                + $"{classes.Names.Count} classes: {string.Join(", ", classes.Names)}");
        if (values.Any(v => !(v >= 0) || double.IsInfinity(v)) || values.All(v => v == 0))
            throw new FrostlineException($"the loss {loss} has class weights [{string.Join(", ", values)}]; they have to be 0 "
                + "or above, and one above 0");
        return [.. values.Select(v => (float)v)];
    }
}
