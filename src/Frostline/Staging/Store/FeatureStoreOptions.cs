using System.Globalization;

namespace Frostline.Staging;

/// <summary>How a <see cref="FeatureStore"/> is used.</summary>
public sealed record FeatureStoreOptions
{
    /// <summary>
    /// How many bytes all stores under the root may take together before writing ends; null for no limit. Other processes that write at
    /// the same time may each go over it by 64 MiB.
    /// </summary>
    public long? MaximumBytes { get; init; }

    /// <summary>How many bytes must stay free on the disk; writing ends before there are fewer. Default 2 GiB.</summary>
    public long MinimumFreeBytes { get; init; } = 2L << 30;

    /// <summary>The environment variable that gives <see cref="MaximumBytes"/> in GB (10^9 bytes) where nobody else does.</summary>
    public const string MaximumVariable = "FROSTLINE_CACHE_MAX_GB";

    /// <summary>The environment variable that gives <see cref="MinimumFreeBytes"/> in GB (10^9 bytes) where nobody else does.</summary>
    public const string MinimumFreeVariable = "FROSTLINE_CACHE_KEEP_FREE_GB";

    /// <summary>With how many threads a batch is read. Default: as many as there are processors.</summary>
    public int ReadThreads { get; init; } = Environment.ProcessorCount;

    /// <summary>
    /// What the store is of, for people: the network, the stages, the engine. It goes into the manifest of a store that does not exist yet,
    /// and is no part of its identity. No times, and no paths.
    /// </summary>
    public IReadOnlyDictionary<string, string> Description { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Options with limits from a recipe or a user, else from the environment, else the defaults.</summary>
    /// <param name="maximumGigabytes">What all stores may take together, in GB; null for <see cref="MaximumVariable"/>, else no limit.</param>
    /// <param name="minimumFreeGigabytes">What must stay free, in GB; null for <see cref="MinimumFreeVariable"/>, else the default.</param>
    /// <exception cref="FeatureStoreException">A variable is no number, or negative.</exception>
    public static FeatureStoreOptions WithLimits(double? maximumGigabytes, double? minimumFreeGigabytes) =>
        WithLimits(maximumGigabytes, minimumFreeGigabytes, Environment.GetEnvironmentVariable);

    internal static FeatureStoreOptions WithLimits(double? maximumGigabytes, double? minimumFreeGigabytes, Func<string, string?> variable)
    {
        var options = new FeatureStoreOptions();
        return options with
        {
            MaximumBytes = Bytes(maximumGigabytes ?? Number(MaximumVariable)),
            MinimumFreeBytes = Bytes(minimumFreeGigabytes ?? Number(MinimumFreeVariable)) ?? options.MinimumFreeBytes,
        };

        double? Number(string name)
        {
            if (variable(name) is not { Length: > 0 } text) return null;
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number is >= 0 and <= 1e9) return number;
            throw new FeatureStoreException($"{name} is \"{text}\"; give a number of gigabytes such as 20");
        }

        static long? Bytes(double? gigabytes) => gigabytes is { } number ? (long)(number * 1e9) : null;
    }

    /// <summary>About how many bytes of a file are mapped into memory at a time; tests make it small.</summary>
    internal long SegmentBytes { get; init; } = TensorFile.DefaultSegmentBytes;

    /// <summary>Tells how many bytes are free on the disk of a folder; tests set it.</summary>
    internal Func<string, long> FreeBytes { get; init; } = DiskSpace.Free;
}
