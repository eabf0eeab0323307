using Frostline.Staging;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Testing;

/// <summary>Bodies of stages that between them have every operation.</summary>
public static class OperationBodies
{
    /// <summary>Bodies that between them have every operation, over a map [N, 6, 9, 8].</summary>
    private static readonly Dictionary<string, Func<BodyParts, Operations, Value, Value>> s_bodies = new(StringComparer.Ordinal)
    {
        ["convolution, norm, relu"] = (parts, o, x) => o.ConvolutionNormRelu(parts.Convolution(6, 4, 3, stride: 2), parts.Norm(4), x),
        ["grouped and dilated"] = (parts, o, x) => o.ConvolutionNorm(parts.Add(nn.Conv2d(6, 6, 3, dilation: 2, groups: 3, bias: true)), parts.Norm(6, affine: false), x),
        ["same padding"] = (parts, o, x) => o.Convolution(parts.Add(nn.Conv2d(6, 3, (2, 4), padding: Padding.Same)), x),
        ["transposed"] = (parts, o, x) => o.ConvolutionNorm(parts.Add(nn.ConvTranspose2d(6, 4, 3, stride: 2, padding: 1, output_padding: 1, groups: 2)), parts.Norm(4), x),
        ["strided pointwise"] = (parts, o, x) => o.ConvolutionNorm(parts.Convolution(6, 4, 1, stride: 2), parts.Norm(4), x),
        ["deformable, norm"] = (parts, o, x) => o.Norm(parts.Norm(4), parts.Deformed(o, parts.Add(new DeformableConvolution(6, 4, 3, padding: 2, dilation: 2, groups: 2)), x, 3, masked: true)),
        ["deformable without mask and bias"] = (parts, o, x) => o.Relu(parts.Deformed(o, parts.Add(new DeformableConvolution(6, 4, 3, padding: 1, bias: false)), x, 1, masked: false)),
        ["norm before a convolution"] = (parts, o, x) => o.Convolution(parts.Convolution(6, 4, 3), o.Relu(o.Norm(parts.Norm(6), x))),
        ["a convolution that two read"] = (parts, o, x) => parts.Shared(o, o.Convolution(parts.Convolution(6, 6, 3), x)),
        ["residual"] = (parts, o, x) => o.AddRelu(o.ConvolutionNorm(parts.Convolution(6, 6, 3), parts.Norm(6), x), x),
        ["a sum with itself"] = (_, o, x) => BodyParts.Twice(o, o.Relu(x)),
        ["a difference"] = (parts, o, x) => o.Subtract(o.Scale(x, 0.25), o.Convolution(parts.Convolution(6, 6, 3), x)),
        ["translation"] = (parts, o, x) => o.Translate(x, o.Linear(parts.Add(nn.Linear(6, 2)), o.Flatten(o.AdaptiveAveragePool(1, 1, x)))),
        ["translation of one row"] = (parts, o, x) =>
            o.Translate(o.Slice(x, 2, 4, 5), o.Scale(o.Linear(parts.Add(nn.Linear(6, 2)), o.Flatten(o.AdaptiveAveragePool(1, 1, x))), 3)),
        ["pools"] = (_, o, x) => o.AveragePool(Window.Square(2, 1), o.MaxPool(Window.Square(3, 2, 1, ceiling: true), x), countPadding: false),
        ["adaptive pool, flatten, linear, norm"] = (parts, o, x) => o.Norm(parts.Norm1(5), o.Linear(parts.Add(nn.Linear(24, 5)), o.Flatten(o.AdaptiveAveragePool(2, 2, x)))),
        ["relu6 and sigmoid"] = (_, o, x) => o.Activation(ActivationKind.Sigmoid, o.Activation(ActivationKind.Relu6, x)),
        ["concatenation of slices"] = (_, o, x) => o.Concatenate([o.Slice(x, 1, 0, 3), o.Slice(x, 1, 1, step: 2)]),
        ["reshape and padding"] = (_, o, x) => o.Pad(o.Reshape(x, [0, 3, 2, -1]), [1, 2]),
        ["resizes"] = (_, o, x) => o.Concatenate([o.Resize(x, 5, 4, ResizeMode.Nearest), o.Resize(x, 5, 4, ResizeMode.Bilinear), o.Resize(x, 5, 4, ResizeMode.BilinearAlignedCorners)]),
        ["norms of samples"] = (parts, o, x) => o.Norm(parts.Add(nn.LayerNorm([9, 8])), o.Norm(parts.GroupNorm(), x)),
        ["dropout that is off"] = (parts, o, x) => o.Dropout(parts.Add(nn.Dropout(0.5)), x),
        ["the input"] = (_, _, x) => x,
        ["a view over what is written over"] = (parts, o, x) => BodyParts.Viewed(o, o.Convolution(parts.Convolution(6, 6, 3), x)),
    };

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => s_bodies.Keys;

    /// <summary>A body, over a map <c>[N, 6, 9, 8]</c>.</summary>
    public static Func<BodyParts, Operations, Value, Value> Of(string name) => s_bodies[name];
}

/// <summary>Layers that a body asks for, made the first time and found again by their place.</summary>
public sealed class BodyParts
{
    private readonly List<nn.Module> _modules = [];
    private int _next;

    public IReadOnlyList<nn.Module> Modules => _modules;

    public void Begin() => _next = 0;

    public T First<T>() => _modules.OfType<T>().First();

    public T Add<T>(T module, bool trains = false)
        where T : nn.Module
    {
        if (_next < _modules.Count)
        {
            module.Dispose();
            return (T)_modules[_next++];
        }

        module.to(float64);
        module.train(trains);
        _modules.Add(module);
        _next++;
        return module;
    }

    public Conv2d Convolution(long inputs, long outputs, long kernel, long stride = 1) =>
        Add(nn.Conv2d(inputs, outputs, kernel, stride, padding: kernel / 2, bias: false));

    public BatchNorm2d Norm(long features, bool affine = true) => Add(Filled(nn.BatchNorm2d(features, affine: affine), features));

    public BatchNorm1d Norm1(long features) => Add(Filled(nn.BatchNorm1d(features), features));

    /// <summary>TorchSharp leaves the weight and bias of a GroupNorm uninitialised.</summary>
    public GroupNorm GroupNorm()
    {
        var norm = nn.GroupNorm(3, 6);
        using var grad = no_grad();
        nn.init.uniform_(norm.weight!, 0.5, 2);
        nn.init.uniform_(norm.bias!, -1, 1);
        return Add(norm);
    }

    public BatchNorm2d Moving() => Add(nn.BatchNorm2d(6), trains: true);

    public Dropout Active() => Add(nn.Dropout(0.5), trains: true);

    /// <summary>A value that a norm and a sum read.</summary>
    public Value Shared(Operations operations, Value x) => operations.Add(operations.Norm(Norm(6), x), x);

    /// <summary>A deformable convolution of the map's size, with offsets, and a mask, that convolutions of the map say.</summary>
    public Value Deformed(Operations operations, DeformableConvolution convolution, Value x, long groups, bool masked)
    {
        var offset = operations.Convolution(Add(Wide(nn.Conv2d(6, 18 * groups, 3, padding: 1))), x);
        return operations.DeformableConvolution(
            convolution, x, offset, masked ? operations.Convolution(Add(nn.Conv2d(6, 9 * groups, 3, padding: 1)), x) : null);
    }

    public static Value Twice(Operations operations, Value x) => operations.Add(x, x);

    /// <summary>A view of a value whose memory an activation could have written over.</summary>
    public static Value Viewed(Operations operations, Value x) =>
        operations.Concatenate([operations.Flatten(x), operations.Flatten(operations.Relu(x))]);

    /// <summary>With weights large enough that some offsets point out of the map.</summary>
    private static Conv2d Wide(Conv2d convolution)
    {
        using var grad = no_grad();
        using Scalar five = 5;
        convolution.weight.mul_(five);
        return convolution;
    }

    private static T Filled<T>(T norm, long features)
        where T : BatchNorm
    {
        using var grad = no_grad();
        for (var i = 0; i < features; i++)
        {
            norm.running_mean![i] = tensor(0.3f * (i - 2));
            norm.running_var![i] = tensor(0.5f + (0.2f * i));
            if (norm.weight is null) continue;
            norm.weight[i] = tensor(1.5f - (0.3f * i));
            norm.bias![i] = tensor(0.1f * i);
        }

        return norm;
    }
}

public sealed class BodyNetwork : nn.Module<Tensor, Tensor>, IStagedNetwork
{
    public BodyNetwork(Func<BodyParts, Operations, Value, Value> body)
        : base(nameof(BodyNetwork))
    {
        random.manual_seed(3);
        // The layers come into being when the body is followed for the first time.
        Parts.Begin();
        body(Parts, new CostOperations(), CostOperations.Of(2, 6, 9, 8));
        Stages = [new Stage("out", "image", Parts.Modules, (operations, x) =>
        {
            Parts.Begin();
            return body(Parts, operations, x);
        })];
        for (var i = 0; i < Parts.Modules.Count; i++) register_module($"m{i}", Parts.Modules[i]);
    }

    public BodyParts Parts { get; } = new();

    public IReadOnlyList<Stage> Stages { get; }

    public IReadOnlyList<string> Inputs => ["image"];

    public IReadOnlyList<string> Outputs => ["out"];

    public override Tensor forward(Tensor input) => StagedForward.Run(this, input);
}
