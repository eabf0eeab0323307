using TorchSharp;

namespace Frostline.Optimization;

/// <summary>
/// An exponential moving average (EMA) of tensors along the training (Polyak and Juditsky, 1992, with exponential weights):
/// after each step, average = d * average + (1 - d) * value. The decay d is min(decay, (1 + n) / (10 + n)) after n updates, so
/// that a short training is not ruled by its first values. Tensors of integers, such as the counters of norms, are copied.
/// </summary>
public sealed class ExponentialAverage : IDisposable
{
    private const string UpdatesName = "updates";

    private readonly List<(NamedTensor Source, torch.Tensor Average)> _entries = [];
    private long _updates;
    private bool _swapped;

    /// <summary>Starts an average at the tensors' present values.</summary>
    /// <param name="tensors">What is averaged: trained parameters, and statistics that move. They stay the network's.</param>
    /// <param name="decay">The decay, in [0, 1), for example 0.999.</param>
    /// <exception cref="FrostlineException"><paramref name="decay"/> is out of its range.</exception>
    public ExponentialAverage(IEnumerable<NamedTensor> tensors, double decay)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        if (decay is not (>= 0 and < 1))
            throw new FrostlineException(FormattableString.Invariant($"ema is {decay}; it has to be in [0, 1)"));
        Decay = decay;
        Follow(tensors);
    }

    /// <summary>The decay that many updates reach.</summary>
    public double Decay { get; }

    /// <summary>Moves the average towards the present values.</summary>
    /// <exception cref="InvalidOperationException">The average is in the network at present (see <see cref="Swap"/>).</exception>
    public void Update()
    {
        if (_swapped)
            throw new InvalidOperationException("The average is in the network; dispose the swap before the next update.");
        _updates++;
        var decay = Math.Min(Decay, (1.0 + _updates) / (10.0 + _updates));
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using Scalar kept = decay, share = 1 - decay;
        foreach (var (source, average) in _entries)
        {
            if (average.is_floating_point()) average.mul_(kept).add_(source.Tensor.detach(), share);
            else average.copy_(source.Tensor);
        }
    }

    /// <summary>
    /// Goes over to other tensors, where a plan has changed: the average of one that stays goes on, that of one that comes starts at its
    /// present value, and one that goes has no average any more.
    /// </summary>
    /// <param name="tensors">What is averaged from now on.</param>
    /// <exception cref="InvalidOperationException">The average is in the network at present (see <see cref="Swap"/>).</exception>
    public void Follow(IEnumerable<NamedTensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        if (_swapped)
            throw new InvalidOperationException("The average is in the network; dispose the swap before it follows others.");
        using var noGrad = torch.no_grad();
        var former = _entries.ToDictionary(entry => entry.Source.Name, entry => entry.Average, StringComparer.Ordinal);
        _entries.Clear();
        foreach (var source in tensors)
            _entries.Add((source, former.Remove(source.Name, out var average) ? average : Copy(source.Tensor)));
        foreach (var gone in former.Values) gone.Dispose();
    }

    /// <summary>
    /// Puts the average into the network until the result is disposed, which restores the network's values bit for bit.
    /// </summary>
    /// <exception cref="InvalidOperationException">It is there already.</exception>
    public IDisposable Swap()
    {
        if (_swapped) throw new InvalidOperationException("The average is in the network already.");
        var own = new List<torch.Tensor>();
        using (torch.no_grad())
        {
            foreach (var (source, average) in _entries)
            {
                own.Add(Copy(source.Tensor));
                using var target = source.Tensor.detach();
                target.copy_(average);
            }
        }

        _swapped = true;
        return new Swapped(this, own);
    }

    /// <summary>The average as named tensors, and the number of updates as the int64 scalar <c>updates</c>.</summary>
    /// <returns>The live tensors: copy or write them before the next update. The counter belongs to the caller's dispose
    /// scope.</returns>
    public IReadOnlyList<NamedTensor> State() =>
    [
        .. _entries.Select(e => new NamedTensor(e.Source.Name, e.Average)),
        new NamedTensor(UpdatesName, torch.tensor(_updates, torch.int64)),
    ];

    /// <summary>Takes over a state that <see cref="State"/> gave, bit for bit; values are copied.</summary>
    /// <param name="saved">The tensors by name.</param>
    /// <exception cref="FrostlineException">
    /// A tensor is missing, or has another shape or type; nothing is changed then.
    /// </exception>
    public void Restore(IReadOnlyDictionary<string, torch.Tensor> saved)
    {
        ArgumentNullException.ThrowIfNull(saved);
        foreach (var (source, average) in _entries)
        {
            if (!saved.TryGetValue(source.Name, out var tensor) || !tensor.shape.SequenceEqual(average.shape)
                || tensor.dtype != average.dtype)
                throw new FrostlineException(
                    $"the saved average lacks \"{source.Name}\" in the network's shape and type; it is the state of another "
                        + "training");
        }

        if (!saved.TryGetValue(UpdatesName, out var updates))
            throw new FrostlineException($"the saved average lacks \"{UpdatesName}\"");
        using var noGrad = torch.no_grad();
        _updates = updates.item<long>();
        foreach (var (source, average) in _entries) average.copy_(saved[source.Name]);
    }

    /// <summary>Frees the average.</summary>
    public void Dispose()
    {
        foreach (var (_, average) in _entries) average.Dispose();
        _entries.Clear();
    }

    private static torch.Tensor Copy(torch.Tensor tensor)
    {
        using var detached = tensor.detach();
        return detached.clone().DetachFromDisposeScope();
    }

    private sealed class Swapped(ExponentialAverage owner, List<torch.Tensor> own) : IDisposable
    {
        public void Dispose()
        {
            if (!owner._swapped) return;
            using var noGrad = torch.no_grad();
            for (var i = 0; i < own.Count; i++)
            {
                using var target = owner._entries[i].Source.Tensor.detach();
                target.copy_(own[i]);
                own[i].Dispose();
            }

            owner._swapped = false;
        }
    }
}
