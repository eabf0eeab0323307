using Frostline.Staging;
using TorchSharp;

namespace Frostline.Training.Registration;

/// <summary>What an engine is wanted for.</summary>
/// <param name="Prefix">What it is to compute.</param>
/// <param name="Samples">The prefix's inputs of a few real samples.</param>
/// <param name="BatchSize">How many rows it will mostly be given at once.</param>
/// <param name="Threads">With how many threads libtorch computes.</param>
/// <param name="Precision">What it is to compute in.</param>
public sealed record PrefixEngineRequest(
    FrozenPrefix Prefix, IReadOnlyDictionary<string, torch.Tensor> Samples, int BatchSize, int Threads, EnginePrecision Precision)
{
    /// <summary>The shapes of the prefix's inputs with a number of rows.</summary>
    /// <param name="rows">How many rows.</param>
    public IReadOnlyDictionary<string, IReadOnlyList<long>> ShapesOf(int rows) => Samples.ToDictionary(
        sample => sample.Key, IReadOnlyList<long> (sample) => [rows, .. sample.Value.shape.Skip(1)], StringComparer.Ordinal);
}

/// <summary>An engine whose results are those of the network.</summary>
/// <param name="Engine">The engine, which the caller disposes.</param>
/// <param name="Error">Its relative error on the samples.</param>
/// <param name="Remarks">What else was tried and is not used, with the reason, one line each.</param>
public sealed record CheckedEngine(IPrefixEngine Engine, double Error, IReadOnlyList<string> Remarks);

/// <summary>Makes engines for the frozen prefix of a training.</summary>
public abstract class PrefixEngineFactory
{
    /// <summary>
    /// The greatest error of an engine in single precision, see <see cref="FrozenPrefix.RelativeError(IPrefixEngine, IPrefixEngine, IReadOnlyDictionary{string, torch.Tensor})"/>.
    /// </summary>
    public const double MostError = 1e-4;

    /// <summary>The greatest error of an engine in brain floating point, whose numbers are rounded by up to 2^-9 each.</summary>
    public const double MostBfloat16Error = 5e-2;

    /// <summary>How fast its engines are expected to be: <c>auto</c> tries the greatest first. 0 for the network as it is.</summary>
    public abstract int Preference { get; }

    /// <summary>Whether its engines can compute in a precision; default: in single precision only.</summary>
    /// <param name="precision">The precision.</param>
    public virtual bool Supports(EnginePrecision precision) => precision == EnginePrecision.Float32;

    /// <summary>Makes an engine.</summary>
    /// <param name="request">What it is wanted for; the precision is one that it supports.</param>
    /// <exception cref="FrostlineException">The engine cannot compute the prefix; the message says why.</exception>
    public abstract IPrefixEngine Create(PrefixEngineRequest request);

    /// <summary>
    /// Makes an engine, and refuses it where its results on the samples are not those of the network. Where brain floating point is wanted and
    /// cannot be had, the engine computes in single precision, and a remark says why.
    /// </summary>
    /// <param name="request">What it is wanted for.</param>
    /// <exception cref="FrostlineException">As of <see cref="Create"/>; or its error is greater than <see cref="MostError"/>.</exception>
    public virtual CheckedEngine CreateChecked(PrefixEngineRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (WhyNot(request) is not { } reason) return Check(Create(request), request);
        var instead = CreateChecked(request with { Precision = EnginePrecision.Float32 });
        return instead with { Remarks = [$"computed in single precision, since {reason}", .. instead.Remarks] };
    }

    /// <summary>Why its engines cannot compute in the precision that is wanted, on this machine; null where they can.</summary>
    internal string? WhyNot(PrefixEngineRequest request)
    {
        if (request.Precision == EnginePrecision.Float32) return null;
        return Supports(request.Precision)
            ? EngineProbe.Problem(request.Prefix, request.ShapesOf(request.BatchSize), request.Threads)
            : "the engine has no other";
    }

    private static CheckedEngine Check(IPrefixEngine engine, PrefixEngineRequest request)
    {
        try
        {
            using var plain = request.Prefix.Plain();
            var error = FrozenPrefix.RelativeError(engine, plain, request.Samples);
            var most = request.Precision == EnginePrecision.Float32 ? MostError : MostBfloat16Error;
            if (error <= most) return new CheckedEngine(engine, error, []);
            throw new FrostlineException(FormattableString.Invariant(
                $"the engine {engine.Name} in {engine.Precision} computes something else than the network: its error is {error:0.#e+0}, more than {most:0.#e+0}; write engine: plain"));
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

    public override IPrefixEngine Create(PrefixEngineRequest request) => request.Prefix.Plain();
}

/// <summary>Compiled for libtorch.</summary>
internal sealed class LibtorchEngineFactory : PrefixEngineFactory
{
    public override int Preference => 1;

    public override bool Supports(EnginePrecision precision) => true;

    public override IPrefixEngine Create(PrefixEngineRequest request) => request.Prefix.Compile(request.ShapesOf(request.BatchSize), request.Precision);
}

/// <summary>The first of all others, the fastest first, that computes the prefix in the precision.</summary>
internal sealed class AutoEngineFactory(Func<IEnumerable<PrefixEngineFactory>> others) : PrefixEngineFactory
{
    public override int Preference => -1;

    public override IPrefixEngine Create(PrefixEngineRequest request) => CreateChecked(request).Engine;

    public override CheckedEngine CreateChecked(PrefixEngineRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var remarks = new List<string>();
        // The network itself, whose preference is 0, always does.
        foreach (var factory in others().Where(other => other.Preference >= 0 && other.Supports(request.Precision)).OrderByDescending(other => other.Preference))
        {
            try
            {
                if (factory.WhyNot(request) is { } reason)
                {
                    remarks.Add($"computed in single precision, since {reason}");
                    continue;
                }

                var engine = factory.CreateChecked(request);
                return engine with { Remarks = [.. remarks, .. engine.Remarks] };
            }
            catch (FrostlineException error) when (factory.Preference > 0)
            {
                remarks.Add($"passed over: {error.Message}");
            }
        }

        var single = CreateChecked(request with { Precision = EnginePrecision.Float32 });
        return single with { Remarks = [.. remarks, .. single.Remarks] };
    }
}
