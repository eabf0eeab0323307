namespace Frostline.Checkpoints.Pickle;

/// <summary>A storage: untyped bytes that tensors view.</summary>
/// <param name="Key">Its key in the file.</param>
/// <param name="Type">The type of its elements; null for an untyped storage, whose elements are bytes.</param>
/// <param name="ElementCount">How many elements it has.</param>
/// <param name="Root">For a view of another storage, which legacy files may have: that storage; else null.</param>
/// <param name="RootOffset">For a view: the first element within the root.</param>
internal sealed record TorchStorage(string Key, TensorType? Type, long ElementCount, TorchStorage? Root = null, long RootOffset = 0)
{
    public int ElementSize => Type?.Size() ?? 1;

    public long ByteCount => ElementCount * ElementSize;
}


/// <summary>A tensor: a storage seen through offset, sizes and strides, all in elements.</summary>
internal sealed record TorchTensor(TorchStorage Storage, TensorType Type, long Offset, long[] Size, long[] Stride)
{
    /// <summary>Its elements' bytes, row-major, as <see cref="TensorLayout"/> checked them.</summary>
    public long ByteCount => Size.Aggregate(1L, (product, size) => product * size) * Type.Size();
}

/// <summary>The constructors of PyTorch: <c>torch._utils._rebuild_*</c> and the classes that stand in their arguments.</summary>
internal static class TorchValues
{
    private static readonly Dictionary<string, TensorType> s_storages = new(StringComparer.Ordinal)
    {
        ["Double"] = TensorType.Float64,
        ["Float"] = TensorType.Float32,
        ["Half"] = TensorType.Float16,
        ["BFloat16"] = TensorType.BFloat16,
        ["Long"] = TensorType.Int64,
        ["Int"] = TensorType.Int32,
        ["Short"] = TensorType.Int16,
        ["Char"] = TensorType.Int8,
        ["Byte"] = TensorType.UInt8,
        ["Bool"] = TensorType.Bool,
    };

    private static readonly Dictionary<string, TensorType> s_types = new(StringComparer.Ordinal)
    {
        ["float64"] = TensorType.Float64,
        ["float32"] = TensorType.Float32,
        ["float16"] = TensorType.Float16,
        ["bfloat16"] = TensorType.BFloat16,
        ["float8_e5m2"] = TensorType.Float8E5M2,
        ["float8_e4m3fn"] = TensorType.Float8E4M3,
        ["int64"] = TensorType.Int64,
        ["int32"] = TensorType.Int32,
        ["int16"] = TensorType.Int16,
        ["int8"] = TensorType.Int8,
        ["uint64"] = TensorType.UInt64,
        ["uint32"] = TensorType.UInt32,
        ["uint16"] = TensorType.UInt16,
        ["uint8"] = TensorType.UInt8,
        ["bool"] = TensorType.Bool,
    };

    public static IEnumerable<PickleConstructor> Constructors()
    {
        foreach (var name in s_storages.Keys)
        {
            yield return new($"torch.{name}Storage", PickleConstructors.Marker);
            yield return new($"torch.cuda.{name}Storage", PickleConstructors.Marker);
            // Classes of tensors before PyTorch 0.4, named beside each.
            yield return new($"torch.{name}Tensor", PickleConstructors.Marker);
            yield return new($"torch.cuda.{name}Tensor", PickleConstructors.Marker);
        }

        yield return new("torch.UntypedStorage", PickleConstructors.Marker);
        yield return new("torch.storage.UntypedStorage", PickleConstructors.Marker);
        foreach (var name in s_types.Keys) yield return new($"torch.{name}", PickleConstructors.Marker);
        yield return new("torch.Tensor", PickleConstructors.Marker);
        yield return new("torch.Size", Size);
        yield return new("torch.device", call => new PickleObject(call.Name) { State = call.Arguments.FirstOrDefault() });
        yield return new("torch._utils._rebuild_tensor", RebuildTensor);
        yield return new("torch._utils._rebuild_tensor_v2", RebuildTensor);
        yield return new("torch._utils._rebuild_tensor_v3", RebuildTensor);
        yield return new("torch._utils._rebuild_parameter", RebuildParameter);
        yield return new("torch._utils._rebuild_parameter_with_state", RebuildParameter);
        yield return new("torch.nn.parameter.Parameter", RebuildParameter);
        yield return new("torch._tensor._rebuild_from_type_v2", RebuildFromType);
    }

    /// <summary>The element type that a storage class stands for.</summary>
    /// <param name="value">The second item of a storage's persistent id.</param>
    /// <param name="type">The type; null for an untyped storage.</param>
    public static bool TryStorageType(object? value, out TensorType? type)
    {
        type = null;
        if (value is not PickleConstructor { Name: var name } || !name.EndsWith("Storage", StringComparison.Ordinal)) return false;
        var start = name.LastIndexOf('.') + 1;
        var word = name[start..^"Storage".Length];
        if (word == "Untyped") return true;
        if (!s_storages.TryGetValue(word, out var found)) return false;
        type = found;
        return true;
    }

    /// <summary>The storage class of <c>torch</c> that holds a type; null where only an untyped storage does.</summary>
    public static string? StorageOf(TensorType type)
    {
        foreach (var (name, held) in s_storages)
            if (held == type) return $"{name}Storage";
        return null;
    }

    /// <summary>The name of a type in the module <c>torch</c>, for example <c>float8_e4m3fn</c>.</summary>
    public static string NameOf(TensorType type)
    {
        foreach (var (name, named) in s_types)
            if (named == type) return name;
        throw new ArgumentOutOfRangeException(nameof(type), type, "unknown tensor type");
    }

    private static PickleTuple Size(PickleCall call) =>
        call.Arguments is [PickleTuple sizes] ? sizes : call.Arguments is [] ? new PickleTuple([]) : throw call.Misused();

    /// <summary>
    /// <c>(storage, offset, size, stride, …)</c>: version 1 ends there, version 2 adds requires_grad and hooks, version 3 also
    /// the element type, because its storage is untyped.
    /// </summary>
    private static TorchTensor RebuildTensor(PickleCall call)
    {
        if (call.Arguments is not [TorchStorage storage, long offset, PickleTuple size, PickleTuple stride, ..])
            throw call.Misused();
        var type = storage.Type;
        if (call.Name.EndsWith("_v3", StringComparison.Ordinal))
        {
            if (call.Arguments is not [_, _, _, _, _, _, PickleConstructor { Name: var name }, ..]
                || !name.StartsWith("torch.", StringComparison.Ordinal)
                || !s_types.TryGetValue(name["torch.".Length..], out var named)) throw call.Misused();
            type = named;
        }

        if (type is not { } known) throw call.Misused();
        var tensor = new TorchTensor(storage, known, offset, Numbers(size, call), Numbers(stride, call));
        if (TensorLayout.Fault(tensor, call.Context.FileLength) is { } fault)
            throw call.Context.Error($"a tensor whose {fault}", call.Position);
        return tensor;
    }

    private static TorchTensor RebuildParameter(PickleCall call) =>
        call.Arguments is [TorchTensor tensor, ..] ? tensor : throw call.Misused();

    /// <summary><c>(function, class, arguments, state)</c>: a subclass of Tensor, or a tensor with attributes.</summary>
    private static object? RebuildFromType(PickleCall call)
    {
        if (call.Arguments is not [PickleConstructor function, PickleConstructor, PickleTuple arguments, ..]
            || !function.Name.StartsWith("torch._utils._rebuild_", StringComparison.Ordinal)) throw call.Misused();
        return function.Build(call with { Name = function.Name, Arguments = arguments.Items });
    }

    private static long[] Numbers(PickleTuple tuple, PickleCall call)
    {
        if (tuple.Items.Length > CheckpointLimits.Rank)
            throw call.Context.Error($"a tensor of {tuple.Items.Length} dimensions (at most {CheckpointLimits.Rank})", call.Position);
        call.Context.Charge(32 + (8L * tuple.Items.Length), call.Position);
        return Array.ConvertAll(tuple.Items, item => item is long number ? number : throw call.Misused());
    }
}
