namespace Frostline.Checkpoints.Pickle;

/// <summary>
/// What the pickles of TorchScript archives may name beside the rest: classes of the archive's own code (<c>__torch__.…</c>), whose
/// objects are kept as data, attributes only; and the functions that mark lists with their types, which give back what they take.
/// </summary>
internal static class TorchScriptValues
{
    /// <summary>The module of all classes that TorchScript compiled.</summary>
    public const string Prefix = "__torch__";

    private const string Markers = "torch.jit._pickle";

    /// <summary>The constructor of a name; null where it is none of TorchScript's.</summary>
    public static PickleConstructor? Find(string module, string name)
    {
        // Names are shown, so they are held to what can be printed.
        if (name.Length == 0 || name.Any(char.IsControl) || module.Any(char.IsControl)) return null;
        if (module == Prefix || module.StartsWith($"{Prefix}.", StringComparison.Ordinal)) return new($"{module}.{name}", MakeObject);
        return module != Markers ? null : name switch
        {
            "build_intlist" or "build_doublelist" or "build_boollist" or "build_tensorlist" => new($"{Markers}.{name}", Untyped),
            "restore_type_tag" => new($"{Markers}.{name}", Untagged),
            _ => null,
        };
    }

    /// <summary>Modules are made without arguments and get their attributes later; named tuples and enums are made of their items.</summary>
    private static PickleObject MakeObject(PickleCall call) =>
        new(call.Name) { State = call.Arguments.Length == 0 ? null : new PickleTuple(call.Arguments) };

    private static PickleList Untyped(PickleCall call) => call.Arguments is [PickleList list] ? list : throw call.Misused();

    private static object? Untagged(PickleCall call) => call.Arguments is [var value, string] ? value : throw call.Misused();
}
