using Frostline.Staging;
using TorchSharp;

namespace Frostline.Training.Registration;

/// <summary>Makes engines for the frozen prefix of a training.</summary>
public abstract class PrefixEngineFactory
{
    /// <summary>
    /// The greatest error of an engine in single precision, see <see cref="FrozenPrefix.RelativeError(IPrefixEngine, IPrefixEngine, IReadOnlyDictionary{string, torch.Tensor})"/>.
    /// </summary>
    public const double MostError = 1e-4;

    /// <summary>How fast its engines are expected to be: <c>auto</c> tries the greatest first. 0 for the network as it is.</summary>
    public abstract int Preference { get; }

    /// <summary>Makes an engine.</summary>
    /// <param name="prefix">What it is to compute.</param>
    /// <param name="samples">The prefix's inputs of a few real samples.</param>
    /// <exception cref="FrostlineException">The engine cannot compute the prefix; the message says why.</exception>
    public abstract IPrefixEngine Create(FrozenPrefix prefix, IReadOnlyDictionary<string, torch.Tensor> samples);

    /// <summary>Makes an engine, and refuses it where its results on the samples are not those of the network.</summary>
    /// <param name="prefix">What it is to compute.</param>
    /// <param name="samples">The prefix's inputs of a few real samples.</param>
    /// <returns>The engine, which the caller disposes, and its relative error.</returns>
    /// <exception cref="FrostlineException">As of <see cref="Create"/>; or its error is greater than <see cref="MostError"/>.</exception>
    public (IPrefixEngine Engine, double Error) CreateChecked(FrozenPrefix prefix, IReadOnlyDictionary<string, torch.Tensor> samples)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        var engine = Create(prefix, samples);
        try
        {
            using var plain = prefix.Plain();
            var error = FrozenPrefix.RelativeError(engine, plain, samples);
            if (error <= MostError) return (engine, error);
            throw new FrostlineException(FormattableString.Invariant(
                $"the engine {engine.Name} computes something else than the network: its error is {error:0.#e+0}, more than {MostError:0.#e+0}; write engine: plain"));
        }
        catch
        {
            engine.Dispose();
            throw;
        }
    }
}

/// <summary>The stages as the network runs them.</summary>
internal sealed class PlainEngineFactory : PrefixEngineFactory
{
    public override int Preference => 0;

    public override IPrefixEngine Create(FrozenPrefix prefix, IReadOnlyDictionary<string, torch.Tensor> samples) => prefix.Plain();
}

/// <summary>Compiled for libtorch.</summary>
internal sealed class LibtorchEngineFactory : PrefixEngineFactory
{
    public override int Preference => 1;

    public override IPrefixEngine Create(FrozenPrefix prefix, IReadOnlyDictionary<string, torch.Tensor> samples) =>
        prefix.Compile(samples.ToDictionary(sample => sample.Key, IReadOnlyList<long> (sample) => sample.Value.shape, StringComparer.Ordinal));
}

/// <summary>The first of all others, the fastest first, that computes the prefix.</summary>
internal sealed class AutoEngineFactory(Func<IEnumerable<PrefixEngineFactory>> others) : PrefixEngineFactory
{
    public override int Preference => -1;

    public override IPrefixEngine Create(FrozenPrefix prefix, IReadOnlyDictionary<string, torch.Tensor> samples)
    {
        foreach (var factory in others().Where(other => other.Preference > 0).OrderByDescending(other => other.Preference))
        {
            try
            {
                return factory.CreateChecked(prefix, samples).Engine;
            }
            catch (FrostlineException)
            {
                // The next one may do; the network itself always does.
            }
        }

        return prefix.Plain();
    }
}
