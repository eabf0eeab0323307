using System.Runtime.ExceptionServices;
using CsCheck;

namespace Frostline.Testing;

/// <summary>
/// Checks a property of generated values, the same ones in every run: CsCheck's own <c>Sample</c> takes only the first value from
/// its seed and all others from a generator that is seeded anew in each process.
/// </summary>
public static class Properties
{
    /// <summary>Checks values, each from a stream of its own; where one fails, CsCheck looks for a smaller one and prints it.</summary>
    /// <param name="values">Generates the values.</param>
    /// <param name="check">Throws where the property does not hold.</param>
    /// <param name="samples">How many values are checked.</param>
    /// <param name="seed">Which values they are.</param>
    /// <param name="print">Prints a value; null for CsCheck's own way.</param>
    public static void Holds<T>(this Gen<T> values, Action<T> check, int samples, ulong seed = 1, Func<T, string>? print = null)
    {
        for (uint stream = 0; stream < samples; stream++)
        {
            var random = new PCG(stream, seed);
            var state = random.ToString();
            var value = values.Generate(random, null, out _);
            try
            {
                check(value);
            }
            catch (Exception error)
            {
                values.Sample(check, seed: state, iter: 1000, threads: 1, print: print);
                // It did not fail again, so it depends on something other than the value.
                ExceptionDispatchInfo.Throw(error);
            }
        }
    }

    /// <inheritdoc cref="Holds{T}(Gen{T}, Action{T}, int, ulong, Func{T, string})"/>
    public static void Holds<T1, T2>(this Gen<(T1 First, T2 Second)> values, Action<T1, T2> check, int samples, ulong seed = 1) =>
        values.Holds(value => check(value.First, value.Second), samples, seed);

    /// <inheritdoc cref="Holds{T}(Gen{T}, Action{T}, int, ulong, Func{T, string})"/>
    public static void Holds<T1, T2, T3>(
        this Gen<(T1 First, T2 Second, T3 Third)> values, Action<T1, T2, T3> check, int samples, ulong seed = 1) =>
        values.Holds(value => check(value.First, value.Second, value.Third), samples, seed);

    /// <inheritdoc cref="Holds{T}(Gen{T}, Action{T}, int, ulong, Func{T, string})"/>
    public static void Holds<T1, T2, T3, T4>(
        this Gen<(T1 First, T2 Second, T3 Third, T4 Fourth)> values, Action<T1, T2, T3, T4> check, int samples, ulong seed = 1) =>
        values.Holds(value => check(value.First, value.Second, value.Third, value.Fourth), samples, seed);
}
