using System.Collections.Frozen;
using System.Text;

namespace Frostline.Checkpoints.Pickle;

/// <summary>An allowed name: what a pickle may build, and how this library builds it.</summary>
/// <param name="Name">The name with its module.</param>
/// <param name="Build">Makes the value from the arguments; throws where the name is only a marker that is never called.</param>
internal sealed record PickleConstructor(string Name, Func<PickleCall, object?> Build);

/// <summary>One use of a constructor.</summary>
internal readonly record struct PickleCall(string Name, object?[] Arguments, PickleContext Context, int Position)
{
    /// <summary>The error for arguments that do not fit.</summary>
    public CheckpointException Misused() => Context.Error($"{Name} with arguments that do not fit", Position);
}

/// <summary>The allow-list: PyTorch's tensors and the plain containers of Python's and NumPy's libraries.</summary>
internal static class PickleConstructors
{
    private const string WhyRefused = "only tensors and plain values are read, never code; save model.state_dict() in Python instead";

    // Renamed between Python 2 and 3, NumPy 1 and 2; both are found in files.
    private static readonly FrozenDictionary<string, string> s_moduleNames = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["__builtin__"] = "builtins",
        ["numpy._core.multiarray"] = "numpy.core.multiarray",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, PickleConstructor> s_allowed =
        Containers().Concat(NumpyValues.Constructors()).Concat(TorchValues.Constructors())
            .ToFrozenDictionary(constructor => constructor.Name, StringComparer.Ordinal);

    /// <summary>The names that may be used, for tests and documentation.</summary>
    public static IEnumerable<string> Names => s_allowed.Keys;

    /// <exception cref="CheckpointException">The name is not allowed.</exception>
    public static PickleConstructor Find(string module, string name, PickleContext context, int position)
    {
        var full = $"{s_moduleNames.GetValueOrDefault(module, module)}.{name}";
        if (s_allowed.TryGetValue(full, out var constructor)) return constructor;
        if (context.TorchScript && TorchScriptValues.Find(module, name) is { } compiled) return compiled;
        // The name is the file's own; control characters in it must not reach a terminal.
        var shown = new string([.. $"{module}.{name}".Take(200).Select(c => char.IsControl(c) ? '?' : c)]);
        throw context.Refuse($"\"{shown}\"", WhyRefused, position);
    }

    /// <summary>BUILD: attributes of an OrderedDict (its <c>_metadata</c>) are of no use here; data objects keep their state.</summary>
    public static void SetState(object? target, object? state, PickleContext context, int position)
    {
        switch (target)
        {
            case PickleDict: break;
            case PickleObject value: value.State = state; break;
            case NumpyType type: type.SetState(state); break;
            default: throw context.Error("Build on a value that has no state", position);
        }
    }

    private static IEnumerable<PickleConstructor> Containers()
    {
        yield return new("collections.OrderedDict", Dictionary);
        yield return new("collections.Counter", Dictionary);
        yield return new("collections.defaultdict", call => call.Arguments.Length <= 1 ? new PickleDict() : throw call.Misused());
        yield return new("builtins.dict", Dictionary);
        yield return new("builtins.list", call => Copy(call, new PickleList(), list => list.Items));
        yield return new("builtins.set", call => Copy(call, new PickleSet(), set => set.Items));
        yield return new("builtins.frozenset", call => Copy(call, new PickleSet(), set => set.Items));
        // Named as factories of a defaultdict; nothing is made of them.
        yield return new("builtins.int", Marker);
        yield return new("builtins.float", Marker);
        yield return new("argparse.Namespace", call => new PickleObject(call.Name));
        yield return new("_codecs.encode", Encode);
    }

    public static object? Marker(PickleCall call) => throw call.Misused();

    private static PickleDict Dictionary(PickleCall call)
    {
        var result = new PickleDict();
        switch (call.Arguments)
        {
            case []: break;
            case [PickleDict source]:
                call.Context.Charge(128L * source.Entries.Count, call.Position);
                foreach (var (key, value) in source.Entries) result.Set(key, value);
                break;
            // Python 2 wrote an OrderedDict as a list of pairs.
            case [PickleList pairs]:
                call.Context.Charge(128L * pairs.Items.Count, call.Position);
                foreach (var pair in pairs.Items)
                {
                    if ((pair is PickleList list ? list.Items : (IReadOnlyList<object?>?)(pair as PickleTuple)?.Items) is not { Count: 2 } two)
                        throw call.Misused();
                    result.Set(two[0], two[1]);
                }

                break;
            default: throw call.Misused();
        }

        return result;
    }

    private static T Copy<T>(PickleCall call, T result, Func<T, List<object?>> items)
    {
        switch (call.Arguments)
        {
            case []: break;
            case [PickleList source]:
                call.Context.Charge(16L * source.Items.Count, call.Position);
                items(result).AddRange(source.Items);
                break;
            default: throw call.Misused();
        }

        return result;
    }

    /// <summary>How protocol 2 writes bytes: <c>_codecs.encode(text, "latin1")</c>.</summary>
    private static byte[] Encode(PickleCall call)
    {
        if (call.Arguments is not [string text, "latin1" or "latin-1"]) throw call.Misused();
        call.Context.Charge(text.Length + 32L, call.Position);
        return text.AsSpan().ContainsAnyExceptInRange('\0', '\u00ff') ? throw call.Misused() : Encoding.Latin1.GetBytes(text);
    }
}
