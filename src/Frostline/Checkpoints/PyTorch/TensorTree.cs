using System.Globalization;
using System.Numerics;
using Frostline.Checkpoints.Pickle;

namespace Frostline.Checkpoints;

/// <summary>
/// The tensors in the nested dictionaries and lists of a pickle. A state dict is usually wrapped
/// (<c>{"state_dict": …, "epoch": 7}</c>), so it has to be found first; below it names are joined with dots.
/// </summary>
internal sealed class TensorTree
{
    /// <summary>The name of a tensor that is alone in its file.</summary>
    public const string SingleName = "tensor";

    // In order of preference. A wrapper counts only where its value is a dictionary that holds tensors.
    private static readonly string[] s_wrappers =
    [
        "state_dict", "model_state_dict", "model", "net", "network", "module", "params", "weights",
        "ema", "model_ema", "state_dict_ema", "params_ema",
    ];

    private readonly ByteSource _bytes;
    private readonly object? _root;

    /// <exception cref="CheckpointException">There are no tensors, or not under that key, or nesting exceeds the limits.</exception>
    public TensorTree(ByteSource bytes, object? root, string? key)
    {
        _bytes = bytes;
        _root = root;
        (Key, var state) = key is null ? FindWrapper() : (key, Resolve(key));
        Walk(state, (path, value) =>
        {
            if (value is not TorchTensor tensor) return;
            Names.Add(path.Count == 0 ? SingleName : string.Join('.', path));
            Tensors.Add(tensor);
        });
        if (Tensors.Count == 0)
            throw bytes.Error(key is null or "" ? "holds no tensors" : $"\"{key}\" holds no tensors{Choice()}");
    }

    /// <summary>The path of the dictionary that the tensors were taken from.</summary>
    public string Key { get; }

    public List<string> Names { get; } = [];

    public List<TorchTensor> Tensors { get; } = [];

    /// <summary>The paths of all dictionaries, three deep at the most, that hold tensors.</summary>
    public List<string> Keys()
    {
        var keys = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        Walk(_root, (path, value) =>
        {
            if (value is not TorchTensor) return;
            for (var depth = 1; depth <= Math.Min(3, path.Count - 1); depth++)
            {
                var prefix = string.Join('/', path.Take(depth));
                if (seen.Add(prefix)) keys.Add(prefix);
            }
        });
        return keys;
    }

    /// <summary>The plain values of the whole file by path, joined with slashes.</summary>
    public List<KeyValuePair<string, object?>> Values()
    {
        var values = new List<KeyValuePair<string, object?>>();
        Walk(_root, (path, value) =>
        {
            if (value is not TorchTensor) values.Add(new(string.Join('/', path), Plain(value)));
        });
        return values;
    }

    private static object? Plain(object? value) => value switch
    {
        null or bool or long or BigInteger or double or string or byte[] => value,
        PickleObject data => $"<{data.Type}>",
        PickleConstructor named => named.Name,
        PickleDict or PickleList or PickleTuple or PickleSet => Array.Empty<object?>(),
        _ => $"<{value.GetType().Name}>",
    };

    private (string Key, object? State) FindWrapper()
    {
        var key = "";
        var state = _root;
        for (var depth = 0; depth < 3 && state is PickleDict dict && !IsStateDict(dict); depth++)
        {
            var name = s_wrappers.FirstOrDefault(name => dict.TryGet(name, out var value) && value is PickleDict && HoldsTensors(value));
            if (name is null) break;
            dict.TryGet(name, out state);
            key = key.Length == 0 ? name : $"{key}/{name}";
        }

        return (key, state);
    }

    /// <summary>A tensor with a dotted name says that a dictionary is a state dict itself, whatever else is in it.</summary>
    private static bool IsStateDict(PickleDict dict) =>
        dict.Entries.Any(entry => entry is { Key: string name, Value: TorchTensor } && name.Contains('.', StringComparison.Ordinal));

    private bool HoldsTensors(object? value)
    {
        var found = false;
        Walk(value, (_, v) => found |= v is TorchTensor);
        return found;
    }

    private object? Resolve(string key)
    {
        var value = _root;
        for (var rest = key; rest.Length > 0;)
        {
            // A name may itself hold a slash, so the whole rest is tried first.
            if (Children(value).FirstOrDefault(child => Text(child.Key) == rest) is { Key: not null } exact)
            {
                value = exact.Value;
                break;
            }

            var slash = rest.IndexOf('/', StringComparison.Ordinal);
            var first = slash < 0 ? rest : rest[..slash];
            var next = Children(value).FirstOrDefault(child => Text(child.Key) == first);
            if (next.Key is null || slash < 0) throw _bytes.Error($"there is no key \"{key}\"{Choice(key)}");
            value = next.Value;
            rest = rest[(slash + 1)..];
        }

        return value;
    }

    private string Choice(string wanted = "")
    {
        var keys = Keys();
        if (keys.Count == 0) return "; the file has no dictionary that holds tensors, so leave the key out";
        var hint = NearestNames.Hint(wanted, keys);
        return hint.Length > 0 ? hint : $"; there are {string.Join(", ", keys.Take(8).Select(k => $"\"{k}\""))}";
    }

    /// <summary>
    /// Visits all leaves and empty containers with their paths. A container may be reached in several ways, or contain
    /// itself, so depth and number of visits are bounded.
    /// </summary>
    private void Walk(object? value, Action<IReadOnlyList<string>, object?> visit)
    {
        var path = new List<string>();
        var remaining = CheckpointLimits.Values;
        // Names are joined from their parts: long parts that are shared must not multiply.
        long length = 0, characters = CheckpointLimits.NameCharacters;
        Visit(value);

        void Visit(object? node)
        {
            if (--remaining < 0) throw _bytes.Error($"shows more than {CheckpointLimits.Values} values, the limit");
            var leaf = true;
            foreach (var (key, child) in Children(node))
            {
                leaf = false;
                if (path.Count == CheckpointLimits.Depth)
                    throw _bytes.Error($"nests dictionaries deeper than {CheckpointLimits.Depth}, the limit");
                path.Add(Text(key));
                length += path[^1].Length + 1;
                Visit(child);
                length -= path[^1].Length + 1;
                path.RemoveAt(path.Count - 1);
            }

            if (!leaf) return;
            characters -= length;
            if (characters < 0)
                throw _bytes.Error($"has names of more than {CheckpointLimits.NameCharacters} characters together, the limit");
            visit(path, node);
        }
    }

    private static IEnumerable<KeyValuePair<object, object?>> Children(object? node) => node switch
    {
        PickleDict dict => dict.Entries.Select(entry => new KeyValuePair<object, object?>(entry.Key ?? "None", entry.Value)),
        PickleList list => list.Items.Select((item, i) => new KeyValuePair<object, object?>((long)i, item)),
        PickleTuple tuple => tuple.Items.Select((item, i) => new KeyValuePair<object, object?>((long)i, item)),
        PickleSet set => set.Items.Select((item, i) => new KeyValuePair<object, object?>((long)i, item)),
        PickleObject { State: PickleDict state } => Children(state),
        PickleObject { State: PickleTuple or PickleList } data when data.Type.StartsWith(TorchScriptValues.Prefix, StringComparison.Ordinal) =>
            Children(data.State),
        _ => [],
    };

    private static string Text(object key) => key switch
    {
        string text => text,
        bool flag => flag ? "True" : "False",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => "<key>",
    };
}
