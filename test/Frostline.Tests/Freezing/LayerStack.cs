using Frostline.Modules;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary>Layers one after the other, half of them inside a Sequential.</summary>
internal sealed class LayerStack : nn.Module<Tensor, Tensor>
{
    private readonly List<nn.Module<Tensor, Tensor>> _order = [];

    internal LayerStack(int[] layers)
        : base(nameof(LayerStack))
    {
        var inner = new List<(string, nn.Module<Tensor, Tensor>)>();
        for (var i = 0; i < layers.Length; i++)
        {
            var layer = Make(layers[i]);
            if (i % 2 == 1)
            {
                inner.Add(($"l{i}", layer));
                Names.Add($"inner.l{i}");
                continue;
            }

            register_module($"l{i}", layer);
            Names.Add($"l{i}");
            _order.Add(layer);
        }

        var last = nn.Linear(4, 4);
        register_module("last", last);
        Names.Add("last");
        var sequential = nn.Sequential(inner.ToArray());
        register_module("inner", sequential);
        _order.Add(sequential);
        _order.Add(last);
    }

    internal List<string> Names { get; } = [];

    /// <summary>Those of the layers that hold parameters or buffers.</summary>
    internal IEnumerable<string> NamesWithTensors
    {
        get
        {
            var owners = ModuleTree.Of(this).Tensors.Select(entry => entry.Owner).ToHashSet(StringComparer.Ordinal);
            return Names.Where(name => owners.Any(owner => owner == name || owner.StartsWith(name + ".", StringComparison.Ordinal)));
        }
    }

    public override Tensor forward(Tensor input) => _order.Aggregate(input, (x, layer) => layer.forward(x));

    private static nn.Module<Tensor, Tensor> Make(int kind) => kind switch
    {
        0 => nn.Linear(4, 4),
        1 => nn.BatchNorm1d(4),
        2 => nn.BatchNorm1d(4, affine: false),
        3 => nn.Dropout(0.3),
        4 => nn.LayerNorm(4),
        _ => nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.2)),
    };
}
