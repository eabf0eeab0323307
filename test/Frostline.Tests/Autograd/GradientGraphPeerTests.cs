using System.Text;
using Frostline.Autograd;
using Frostline.Testing;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Autograd;

/// <summary>The graphs of the same computations in PyTorch 1.13 and here: names, inputs, cuts, output numbers and leaves.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class GradientGraphPeerTests
{
    /// <summary>The same expressions, in Python; the leaves w [4, 3], v [3, 3], k [2, 1, 3, 3], b [4] and the data x [5, 3], i [1, 1, 6, 6].</summary>
    private const string Script =
        """
        import torch, torch.nn.functional as F
        def leaf(*s): return torch.linspace(0.1, 0.9, torch.Size(s).numel()).reshape(s).requires_grad_()
        L = dict(w=leaf(4, 3), v=leaf(3, 3), k=leaf(2, 1, 3, 3), b=leaf(4))
        w, v, k, b = L.values()
        x, i = leaf(5, 3).detach(), leaf(1, 1, 6, 6).detach()
        label = torch.tensor([0, 1, 2, 3, 0])
        def inplace(t): t[0].mul_(b[0]); return t
        def normed(t):
            return F.batch_norm(t, torch.zeros(2), torch.ones(2), b[:2], b[2:], True)
        graphs = {
            'product': lambda: v * v,
            'frozen factor': lambda: x * v[0],
            'linear': lambda: F.linear(x, w, b).relu().sum(),
            'linear with frozen bias': lambda: F.linear(x, w, b.detach()),
            'matrix product': lambda: x.matmul(v).matmul(w.t()),
            'cross entropy': lambda: F.cross_entropy(F.linear(x, w, b), label),
            'convolution without bias': lambda: F.conv2d(i, k),
            'batch norm': lambda: normed(F.conv2d(i, k)).relu(),
            'pooling': lambda: F.max_pool2d(F.conv2d(i, k), 2).mean((2, 3)).flatten(1),
            'concatenation': lambda: torch.cat([w, x, v.tanh()], 0),
            'parts': lambda: w.unbind(0)[2] * w.chunk(2, 0)[1],
            'shared': lambda: (lambda h: (h + h.exp()).softmax(-1))(v.sigmoid()),
            'in place': lambda: inplace(w.clone()),
            'layer norm': lambda: F.layer_norm(w, (3,), v[0], v[1]),
            'attention': lambda: (x @ v).view(1, 5, 3).bmm((x @ v).view(1, 5, 3).transpose(1, 2)).softmax(-1),
            'activations': lambda: F.gelu(F.silu(F.leaky_relu(F.softplus(v)))).clamp(-1, 1),
            'index select': lambda: w.index_select(0, label).pow(2).mean(),
            'mean squared error': lambda: F.mse_loss(w, w.detach()),
            'transposed convolution': lambda: F.conv_transpose2d(F.conv2d(i, k), k),
            'choice': lambda: torch.where(w > 0.5, w, w * w).max(),
            'leaf': lambda: w,
            'reshape': lambda: w.reshape(3, 4),
            'norm': lambda: w.norm(),
        }
        for name, make in graphs.items():
            root = make()
            root = root.expand_as(root).grad_fn.next_functions[0][0]
            ids, found = {root: 0}, [root]
            def ref(f, o):
                if f is None: return 'cut'
                if f not in ids:
                    ids[f] = len(found); found.append(f)
                return f'{ids[f]}.{o}'
            out = []
            for f in found:
                n = type(f).__name__
                if n == 'AccumulateGrad':
                    n += ' ' + next((l for l, t in L.items() if t is f.variable), '?')
                out.append(n + '(' + ' '.join(ref(*e) for e in f.next_functions) + ')')
            print(name + ': ' + ', '.join(out))
        """;

    /// <summary>
    /// What differs, by the graph: PyTorch 1.13 has an operation of its own for a reshape that is a view, later versions call it a view; and
    /// the number at a name's end says which overload was called, which is TorchSharp's choice here.
    /// </summary>
    private static readonly Dictionary<string, (string PyTorch, string TorchSharp)> s_differences = new()
    {
        ["reshape"] = ("ReshapeAliasBackward0", "ViewBackward0"),
        ["norm"] = ("NormBackward1", "NormBackward0"),
    };

    [Fact]
    public void Graphs_are_those_of_PyTorch()
    {
        var expected = PythonPeer.Run("torch", Script).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        using var scope = NewDisposeScope();
        using var leaves = new Leaves();
        var actual = leaves.Graphs().Select(pair => $"{pair.Name}: {Describe(GradientGraph.Of(pair.Tensor, leaves))}");
        Assert.Equal(expected.Select(AsHere), actual);
    }

    private static string AsHere(string line)
    {
        if (!s_differences.TryGetValue(line[..line.IndexOf(':')], out var names)) return line;
        Assert.Contains(names.PyTorch, line);
        return line.Replace(names.PyTorch, names.TorchSharp);
    }

    private static string Describe(GradientGraph graph)
    {
        Assert.Equal(new GradientEdge(0, graph.Outputs[0].Output), Assert.Single(graph.Outputs));
        var text = new StringBuilder();
        foreach (var node in graph.Nodes)
        {
            if (node.Id > 0) text.Append(", ");
            var inputs = node.Inputs.Select(input => input.Node is { } id ? $"{id}.{input.Output}" : "cut");
            text.Append($"{node.Operation}{(node.IsLeaf ? $" {node.Parameter ?? "?"}" : "")}({string.Join(' ', inputs)})");
        }

        return text.ToString();
    }

    private sealed class Leaves : nn.Module
    {
        private readonly Parameter w = Leaf(4, 3);
        private readonly Parameter v = Leaf(3, 3);
        private readonly Parameter k = Leaf(2, 1, 3, 3);
        private readonly Parameter b = Leaf(4);

        internal Leaves()
            : base(nameof(Leaves)) => RegisterComponents();

        internal IEnumerable<(string Name, Tensor Tensor)> Graphs()
        {
            Tensor x = Leaf(5, 3).detach(), image = Leaf(1, 1, 6, 6).detach(), label = tensor([0L, 1, 2, 3, 0]);
            yield return ("product", v.mul(v));
            yield return ("frozen factor", x.mul(v[0]));
            yield return ("linear", nn.functional.linear(x, w, b).relu().sum());
            yield return ("linear with frozen bias", nn.functional.linear(x, w, b.detach()));
            yield return ("matrix product", x.matmul(v).matmul(w.t()));
            yield return ("cross entropy", nn.functional.cross_entropy(nn.functional.linear(x, w, b), label));
            yield return ("convolution without bias", Convolved());
            var normed = nn.functional.batch_norm(Convolved(), zeros(2), ones(2), b.slice(0, 0, 2, 1), b.slice(0, 2, 4, 1), training: true);
            yield return ("batch norm", normed.relu());
            yield return ("pooling", nn.functional.max_pool2d(Convolved(), 2).mean([2, 3]).flatten(1));
            yield return ("concatenation", cat([w, x, v.tanh()], 0));
            yield return ("parts", w.unbind(0)[2].mul(w.chunk(2, 0)[1]));
            var h = v.sigmoid();
            yield return ("shared", h.add(h.exp()).softmax(-1));
            var changed = w.clone();
            changed[0].mul_(b[0]);
            yield return ("in place", changed);
            yield return ("layer norm", nn.functional.layer_norm(w, [3], v[0], v[1]));
            Tensor queries = x.matmul(v).view(1, 5, 3), keys = x.matmul(v).view(1, 5, 3);
            yield return ("attention", queries.bmm(keys.transpose(1, 2)).softmax(-1));
            using Scalar low = -1, high = 1, two = 2;
            var activated = nn.functional.gelu(nn.functional.silu(nn.functional.leaky_relu(nn.functional.softplus(v), 0.01)));
            yield return ("activations", activated.clamp(low, high));
            yield return ("index select", w.index_select(0, label).pow(two).mean());
            yield return ("mean squared error", nn.functional.mse_loss(w, w.detach()));
            yield return ("transposed convolution", nn.functional.conv_transpose2d(Convolved(), k));
            yield return ("choice", where(w.gt(tensor(0.5f)), w, w.mul(w)).max());
            yield return ("leaf", w);
            yield return ("reshape", w.reshape(3, 4));
            yield return ("norm", w.norm());

            Tensor Convolved() => nn.functional.conv2d(image, k);
        }

        private static Parameter Leaf(params long[] shape) => new(linspace(0.1, 0.9, shape.Aggregate(1L, (a, s) => a * s)).reshape(shape));
    }
}
