using CsCheck;
using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

public sealed class RecipeWriterTests
{
    private static readonly Registry Registry = RecipeFixture.Registry();

    [Theory]
    [InlineData(RecipeFixture.Minimal)]
    [InlineData(RecipeFixture.Full)]
    public void What_is_written_loads_to_the_same_recipe(string text)
    {
        var recipe = RecipeFixture.Parse(text);
        DeepEquality.AssertSame(recipe, RecipeFixture.Parse(recipe.ToYaml()));
    }

    [Fact]
    public void Defaults_are_explicit_and_overrides_are_part_of_it()
    {
        var text = RecipeFixture.Parse(RecipeFixture.Minimal, "seed=11").ToYaml();
        Assert.Equal(
            """
            version: 1
            seed: 11
            device: cpu
            assemblies: []
            model:
              name: net
              width: 8
              kind: first-kind
              extra: {}
            initialize: []
            allow-random: false
            freeze: []
            prefix:
              engine:
                name: auto
              precision: float32
              cache: auto
              storage: float32
            data:
              train:
                name: files
                path: photos/train
              transform: []
              unreadable: fail
              workers: 2
            train:
              epochs: 10
              batch-size: 32
              accumulate: 1
              optimizer:
                name: adamw
                weight-decay: 0.01
                beta1: 0.9
                beta2: 0.999
                epsilon: 1E-08
                ams-grad: false
                learning-rate: 0.001
              schedule:
                name: constant
                warm-up: 0
              groups: []
              decay-norm-and-bias: true
              diagnosis: stop
              audit:
                copies: false
              sampling: shuffled
              checkpoint-every:
                seconds: 60

            """.ReplaceLineEndings("\n"),
            text);
    }

    [Fact]
    public void Null_is_written_where_the_default_is_something_else()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.MinimalWith("train: { optimizer: ~ }"));
        Assert.Null(recipe.Train.Optimizer);
        Assert.Contains("optimizer: ~", recipe.ToYaml(), StringComparison.Ordinal);
        DeepEquality.AssertSame(recipe, RecipeFixture.Parse(recipe.ToYaml()));
    }

    [Fact]
    public void Random_recipes_survive_writing_and_reading() =>
        Recipes.Holds(
            recipe => DeepEquality.AssertSame(recipe, Recipe.Parse(recipe.ToYaml(), "r.yaml", ".", Registry)),
            samples: 300);

    private static Gen<string> Texts => Gen.OneOf<string>(
        Gen.String[Gen.Char["az09 .:-#&*!|>'\"%@`,[]{}\\/\n\t\r~?=éß漢\u0085\u00a0\u2028\ufeff\u0001\u007f"], 0, 12],
        Gen.OneOf("null", "~", "true", "on", "no", "1", "1e3", "-", "---", "...", "", " ", ".inf", "0x1f", "2001-01-01", "<<", "=", "😀"));

    private static Gen<double> Shares => Gen.OneOf<double>(Gen.Double[0, 1], Gen.OneOf(0.0, 1.0, 1e-300, 0.1));

    private static Gen<InitializeRule> InitializeRules => Gen.OneOf<InitializeRule>(
        Texts.Select(text => (InitializeRule)new KeepRule { Keep = text }),
        Gen.Select(Texts, Gen.Double[-1e9, 1e9]).Select(t => (InitializeRule)new SetRule { Set = t.Item1, Value = t.Item2 }),
        Gen.Select(Texts, Texts, Gen.Enum<CopyFit>()).Select(t => (InitializeRule)new CopyRule { Copy = t.Item1, Into = t.Item2, Fit = t.Item3 }),
        Gen.Select(Texts, Gen.Int[1, 100]).Select(t => (InitializeRule)new CalibrateNormRule { CalibrateNorm = t.Item1, Batches = t.Item2 }),
        Gen.Select(Texts, Shares).Select(t => (InitializeRule)new DrawRule
        {
            Draw = t.Item1,
            Initializer = Registry.Initializers.Item("sparse", new SparseOptions { Sparsity = t.Item2 }),
        }),
        Gen.Select(Texts, Texts, Texts.Null(), Shares).Select(t => (InitializeRule)new LoadRule
        {
            Load = t.Item1,
            Into = t.Item2,
            StripPrefix = t.Item3,
            Require = t.Item4,
            Rename = [new RenameRule { From = "a", To = t.Item2 }],
        }));

    private static Gen<FreezeRule> FreezeRules => Gen.OneOf<FreezeRule>(
        Gen.Select(Texts, Gen.Bool.Nullable()).Select(t => (FreezeRule)new FreezeSelectionRule { Freeze = t.Item1, Dropout = t.Item2 }),
        Gen.Select(Texts, Gen.Double[1e-9, 10]).Select(t => (FreezeRule)new TrainSelectionRule { Train = t.Item1, LearningRate = t.Item2 }),
        Gen.Select(Texts, Gen.Int[0, 9].Nullable(), Gen.Double[0, 3]).Select(t => (FreezeRule)new TrainSelectionRule { Train = t.Item1, FromEpoch = t.Item2, WarmUp = t.Item3 }),
        Gen.Select(Texts.Array[1, 3], Gen.Int[1, 4].Nullable(), Gen.Double[1, 3]).Select(t => (FreezeRule)new UnfreezeRule { Unfreeze = t.Item1, FromPlateau = t.Item2, Decay = t.Item3 }),
        Gen.Select(Texts.Array[1, 3], Shares, Gen.Bool).Select(t => (FreezeRule)new ProgressiveFreezingRule { FreezeProgressively = t.Item1, First = Math.Max(t.Item2, 0.01), Cubed = t.Item3 }),
        Texts.Select(text => (FreezeRule)new PolicyRule { Of = text, Norm = NormPolicy.Hold }));

    private static Gen<Recipe> Recipes => Gen.Select(Texts.Null(), Gen.Long, InitializeRules.Array[0, 4], FreezeRules.Array[0, 4], Texts, Gen.Dictionary(Texts, Gen.Double[-1, 1])[0, 3])
        .Select(t => new Recipe
        {
            Name = t.Item1,
            Seed = t.Item2,
            Initialize = t.Item3,
            Freeze = t.Item4,
            Model = Registry.Networks.Item("net", new NetOptions { Width = 3, Classes = t.Item2, Extra = t.Item6 }),
            Data = new DataSettings
            {
                Train = Registry.Datasets.Item("files", new FilesOptions { Path = t.Item5 }),
                Transform = [Registry.Transforms.Item("normalize", new NormalizeOptions { Mean = [0.1, 1e-7, -3] })],
            },
            Train = new TrainSettings
            {
                EarlyStopping = new PatienceSettings { Metric = t.Item5 },
                Groups = [new GroupRule { Of = t.Item5, WeightDecay = 0, LearningRate = 0.5 }],
                Audit = new AuditSettings { Every = 2, Copies = true },
            },
            Metrics = [Registry.Metrics.Item("accuracy")],
            Assemblies = [],
        });
}
