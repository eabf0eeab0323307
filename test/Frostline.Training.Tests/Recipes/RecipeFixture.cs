using System.ComponentModel.DataAnnotations;
using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

/// <summary>A registry of small fakes, so that reading recipes is tested without libtorch.</summary>
internal static class RecipeFixture
{
    public const string Minimal =
        """
        version: 1
        model: { name: net, width: 8 }
        data:
          train: { name: files, path: photos/train }
        """;

    public const string Full =
        """
        version: 1
        name: everything
        seed: 7
        threads: 2
        device: cpu
        weights: weights
        model:
          name: net
          width: 8
          kind: second-kind
        initialize:
          - draw: "**"
            scheme: pytorch
          - draw: "head.**"
            initializer: { name: kaiming-normal, fan: out }
          - load: backbone.pth
            into: "features.**"
            key: state_dict
            strip-prefix: module.
            rename:
              - { from: "^encoder\\.", to: "" }
            add-prefix: features.
            require: 95%
            first-conv: { of: features.stem.weight, by: repeat }
            narrow: { of: "features.layer1.**", by: average }
            widen: "features.layer2.**"
            inflate: features.layer3.weight
            interpolate: { of: features.positions, from: [14, 14], to: [16, 20], class-tokens: 1 }
          - keep: "fc.**"
          - set: "fc.bias"
            value: -1e-3
          - copy: layer1.0
            into: layer1.1
            fit: first-conv-average
          - calibrate-norm: "**"
            batches: 3
        allow-random: true
        freeze:
          - freeze: "** & !fc.**"
          - train: "layer4.**"
            norm: hold
            dropout: off
            learning-rate: 0.1x
          - of: "layer3.**"
            norm: move
        data:
          train: { name: files, path: photos/train }
          split: 20%
          transform:
            - resize: 256
            - normalize: { mean: [0.5, 0.25], deviation: 2 }
            - flip
            - { name: resize, size: 128 }
          train-transform: [flip]
          unreadable: skip
          workers: 3
        train:
          epochs: 20
          batch-size: 16
          accumulate: 2
          optimizer: { name: sgd, learning-rate: 1e-2, momentum: 0.9, nesterov: true }
          schedule: { name: cosine, warm-up: 1 }
          clip-gradient-norm: 1.0
          early-stopping: 5
          sampling: balanced
          mixup: 0.2
          ema: 0.999
        loss: { name: cross-entropy, label-smoothing: 0.1, class-weights: balanced }
        metrics: [accuracy, top-5, { top-k: { k: 3 } }]
        best: accuracy
        """;

    public static Registry Registry()
    {
        var registry = new Registry().Add(new TrainingExtension());
        registry.Networks.Register<NetOptions>("net", "a network", (_, _) => throw new FrostlineException("no network here"));
        registry.Networks.Register<NoOptions>("plain", "a network without options", (_, _) => throw new FrostlineException("no network here"));
        registry.Datasets.Register<FilesOptions>("files", "files of a folder", (options, context) => throw new FrostlineException($"the folder {options.Path} is missing; looked in {context.Folder}"));
        registry.Transforms.Register<ResizeOptions>("resize", "resizes", (_, _) => new Nothing());
        registry.Transforms.Register<NormalizeOptions>("normalize", "normalises", (_, _) => new Nothing());
        registry.Transforms.Register<NoOptions>("flip", "mirrors", (_, _) => new Nothing());
        return registry;
    }

    public static Recipe Parse(string text, params string[] sets) =>
        Recipe.Parse(text, "r.yaml", Path.GetTempPath(), Registry(), sets);

    public static RecipeException Fails(string text, params string[] sets)
    {
        var exception = Assert.Throws<RecipeException>(() => Parse(text, sets));
        Assert.DoesNotContain('\n', exception.Message);
        return exception;
    }

    public static string MinimalWith(string lines) => Minimal + "\n" + lines;
}

public enum NetKind
{
    FirstKind,
    SecondKind,
}

public sealed class NetOptions
{
    [RequiredKey]
    [Range(1, 4096)]
    public int Width { get; set; }

    public NetKind Kind { get; set; }

    public long? Classes { get; set; }

    public IReadOnlyDictionary<string, double> Extra { get; set; } = new Dictionary<string, double>();
}

public sealed class FilesOptions
{
    [RequiredKey]
    public string Path { get; set; } = "";
}

public sealed class ResizeOptions
{
    [RequiredKey]
    [Shorthand]
    [Range(1, 10000)]
    public int Size { get; set; }

    public bool Antialias { get; set; } = true;
}

public sealed class NormalizeOptions
{
    [MinLength(1)]
    public IReadOnlyList<double> Mean { get; set; } = [0];

    public double Deviation { get; set; } = 1;
}

internal sealed class Nothing : ITransform
{
    public bool IsRandom => false;

    public void Apply(Sample sample, CounterRandom random)
    {
    }
}
