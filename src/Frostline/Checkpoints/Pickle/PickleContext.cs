namespace Frostline.Checkpoints.Pickle;

/// <summary>Where a pickle lies, for messages, and what it may still cost.</summary>
internal sealed class PickleContext
{
    private readonly ByteSource _bytes;
    private readonly string _place;
    private readonly long _origin;
    private readonly bool _limited;
    private long _memory = CheckpointLimits.PickleMemory;

    /// <param name="bytes">The file.</param>
    /// <param name="place">The entry of an archive, or empty for the file itself.</param>
    /// <param name="origin">What to add to the pickle's offsets to get those of the place.</param>
    /// <param name="limited">Whether the bytes end because of <see cref="CheckpointLimits.PickleBytes"/>.</param>
    public PickleContext(ByteSource bytes, string place, long origin, bool limited)
    {
        _bytes = bytes;
        _place = place;
        _origin = origin;
        _limited = limited;
    }

    /// <summary>Whether the names of <see cref="TorchScriptValues"/> are allowed too, because the pickle is of a TorchScript archive.</summary>
    public bool TorchScript { get; init; }

    /// <summary>The length of the whole file, which no claim may exceed.</summary>
    public long FileLength => _bytes.Length;

    /// <summary>Pays for memory before it is taken.</summary>
    /// <exception cref="CheckpointException">The pickle costs more than the limit.</exception>
    public void Charge(long bytes, int position)
    {
        _memory -= bytes;
        if (_memory < 0) throw Error($"values of more than {CheckpointLimits.PickleMemory >> 20} MiB", position);
    }

    /// <summary>The error for something damaged or forbidden.</summary>
    public CheckpointException Error(string what, int position) => _bytes.Error($"the pickle has {what} at {Where(position)}");

    /// <summary>The error for something that is refused as unsafe.</summary>
    public CheckpointException Refuse(string name, string advice, int position) =>
        _bytes.Error($"refused: the file asks for {name} at {Where(position)}; {advice}");

    /// <summary>The error for a pickle that ends too soon.</summary>
    public CheckpointException CutShort(int position, ulong wanted) => _limited
        ? _bytes.Error($"the pickle is longer than {CheckpointLimits.PickleBytes >> 20} MiB, the limit")
        : _bytes.Error($"is cut short: the pickle needs {wanted} more bytes at {Where(position)}; copy or download it again");

    private string Where(int position) => _place.Length == 0 ? $"byte {_origin + position}" : $"byte {_origin + position} of {_place}";
}
