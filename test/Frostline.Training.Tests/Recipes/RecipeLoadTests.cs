using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Optimization;
using Frostline.Training.Data;
using Frostline.Training.Losses;
using Frostline.Training.Recipes;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

public sealed class RecipeLoadTests
{
    [Fact]
    public void Minimal_recipe_has_the_documented_defaults()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.Minimal);

        Assert.Equal("net", recipe.Model.Name);
        Assert.Equal(8, Assert.IsType<NetOptions>(recipe.Model.Options).Width);
        Assert.Equal(0, recipe.Seed);
        Assert.Null(recipe.Threads);
        Assert.Equal(DeviceKind.Cpu, recipe.Device);
        Assert.Empty(recipe.Initialize);
        Assert.Empty(recipe.Freeze);
        Assert.False(recipe.AllowRandom);
        Assert.Equal(10, recipe.Train.Epochs);
        Assert.Equal(32, recipe.Train.BatchSize);
        Assert.Equal("adamw", recipe.Train.Optimizer!.Name);
        Assert.Equal("constant", recipe.Train.Schedule!.Name);
        Assert.Null(recipe.Loss);
        Assert.Null(recipe.Metrics);
        Assert.Equal(UnreadablePolicy.Fail, recipe.Data.Unreadable);
    }

    [Fact]
    public void Every_key_of_a_full_recipe_is_read()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.Full);

        Assert.Equal("everything", recipe.Name);
        Assert.Equal(7, recipe.Seed);
        Assert.Equal(2, recipe.Threads);
        Assert.True(recipe.AllowRandom);
        Assert.Equal(NetKind.SecondKind, ((NetOptions)recipe.Model.Options).Kind);
        var load = Assert.IsType<LoadRule>(recipe.Initialize.Single(r => r is LoadRule));
        Assert.Equal(0.95, load.Require);
        Assert.Equal(new RenameRule { From = "^encoder\\.", To = "" }, load.Rename.Single());
        Assert.Equal(new FirstConvolution { Of = "features.stem.weight", By = ChannelRule.Repeat }, load.FirstConv);
        Assert.Equal([16, 20], load.Interpolate!.To!);
        Assert.Equal(1, load.Interpolate.ClassTokens);
        Assert.Equal(-1e-3, Assert.IsType<SetRule>(recipe.Initialize.Single(r => r is SetRule)).Value);
        Assert.Equal(3, Assert.IsType<CalibrateNormRule>(recipe.Initialize[^1]).Batches);
        Assert.Equal("** & !fc.**", Assert.IsType<FreezeSelectionRule>(recipe.Freeze[0]).Freeze);
        var train = Assert.IsType<TrainSelectionRule>(recipe.Freeze[1]);
        Assert.Equal((NormPolicy.Hold, false, 0.1), (train.Norm!.Value, train.Dropout!.Value, train.LearningRate));
        Assert.Equal(NormPolicy.Move, Assert.IsType<PolicyRule>(recipe.Freeze[2]).Norm);
        Assert.Equal(0.2, recipe.Data.Split);
        Assert.Equal(["resize", "normalize", "flip", "resize"], recipe.Data.Transform.Select(t => t.Name));
        Assert.Equal(256, ((ResizeOptions)recipe.Data.Transform[0].Options).Size);
        Assert.Equal([0.5, 0.25], ((NormalizeOptions)recipe.Data.Transform[1].Options).Mean);
        Assert.Equal(128, ((ResizeOptions)recipe.Data.Transform[3].Options).Size);
        Assert.Equal(["flip"], recipe.Data.TrainTransform!.Select(t => t.Name));
        Assert.Equal(UnreadablePolicy.Skip, recipe.Data.Unreadable);
        Assert.Equal(0.9, Assert.IsType<SgdSettings>(recipe.Train.Optimizer!.Options).Momentum);
        Assert.Equal(5, recipe.Train.EarlyStopping!.Patience);
        Assert.Equal(SamplingMode.Balanced, recipe.Train.Sampling);
        Assert.Equal(ClassWeightMode.Balanced, ((CrossEntropyOptions)recipe.Loss!.Options).ClassWeights.Mode);
        Assert.Equal(["accuracy", "top-5", "top-k"], recipe.Metrics!.Select(m => m.Name));
        Assert.Equal("accuracy", recipe.Best);
    }

    [Theory]
    [InlineData("on", true)]
    [InlineData("off", false)]
    [InlineData("true", true)]
    [InlineData("False", false)]
    public void Switches_are_on_and_off(string text, bool expected) =>
        Assert.Equal(expected, RecipeFixture.Parse(RecipeFixture.MinimalWith($"allow-random: {text}")).AllowRandom);

    [Fact]
    public void Bare_names_and_bare_values_stand_for_mappings()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.Minimal.Replace("{ name: net, width: 8 }", "plain", StringComparison.Ordinal)
            + "\nloss: { name: cross-entropy, class-weights: [1, 2.5] }");
        Assert.Equal("plain", recipe.Model.Name);
        Assert.Equal([1, 2.5], ((CrossEntropyOptions)recipe.Loss!.Options).ClassWeights.Values!);
    }

    [Fact]
    public void Options_without_a_name_belong_to_the_default()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.MinimalWith("train: { optimizer: { learning-rate: 0.5 } }"));
        Assert.Equal("adamw", recipe.Train.Optimizer!.Name);
        Assert.Equal(0.5, recipe.Train.Optimizer!.Create(new() { Folder = "." }).LearningRate);
    }

    [Fact]
    public void Aliases_and_mappings_with_free_keys_are_read()
    {
        var recipe = RecipeFixture.Parse(
            """
            version: 1
            model: { name: net, width: 8, extra: { a.b: 1, c: 2e3 } }
            data:
              train: { name: files, path: "1" }
              transform: &same [ { resize: 3 } ]
              train-transform: *same
            """);
        Assert.Equal(2000, ((NetOptions)recipe.Model.Options).Extra["c"]);
        Assert.Equal(3, ((ResizeOptions)recipe.Data.TrainTransform!.Single().Options).Size);
    }

    [Fact]
    public void Places_of_values_are_known()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.Full);
        Assert.Equal(new RecipePosition("r.yaml", 12, 11), recipe.PositionOf("initialize[0].draw"));
        Assert.Equal(recipe.PositionOf("initialize[1]"), recipe.PositionOf("initialize[1].strip-optional-prefix"));
        Assert.Null(recipe.PositionOf("unheard-of"));
        var error = Assert.Throws<RecipeException>(() => recipe.At<int>("initialize[0].draw", () => throw new FrostlineException("\"x\" matches nothing")));
        Assert.Equal("r.yaml:12:11: \"x\" matches nothing", error.Message);
    }

    [Fact]
    public void An_item_that_cannot_be_created_points_at_what_its_message_quotes()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.Minimal);
        var error = Assert.Throws<RecipeException>(() => recipe.Data.Train.Create(new() { Folder = "/somewhere" }));
        Assert.Equal("r.yaml:4:31: \"files\": the folder photos/train is missing; looked in /somewhere", error.Message);
        error = Assert.Throws<RecipeException>(() => recipe.Model.Create(new() { Folder = "/somewhere" }));
        Assert.Equal((2, 16), (error.Line, error.Column));
    }

    [Fact]
    public void A_missing_file_names_near_ones()
    {
        var folder = Directory.CreateTempSubdirectory("frostline-recipe");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "flowers.yaml"), RecipeFixture.Minimal);
            var wrong = Path.Combine(folder.FullName, "flower.yaml");
            var error = Assert.Throws<RecipeException>(() => Recipe.Load(wrong, RecipeFixture.Registry()));
            Assert.Equal($"{wrong}: there is no such file; did you mean \"flowers.yaml\"?", error.Message);
            Assert.Contains("is a folder", Assert.Throws<RecipeException>(() => Recipe.Load(folder.FullName, RecipeFixture.Registry())).Message, StringComparison.Ordinal);

            var right = Path.Combine(folder.FullName, "flowers.yaml");
            var recipe = Recipe.Load(right, RecipeFixture.Registry());
            Assert.Equal((right, folder.FullName), (recipe.File, recipe.Folder));
            File.WriteAllBytes(right, [0x61, 0xff, 0xfe]);
            Assert.Contains("not UTF-8", Assert.Throws<RecipeException>(() => Recipe.Load(right, RecipeFixture.Registry())).Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Checkpoints_are_looked_for_beside_the_recipe_then_in_the_weights_folders()
    {
        var before = Environment.GetEnvironmentVariable(Recipe.WeightsVariable);
        Environment.SetEnvironmentVariable(Recipe.WeightsVariable, null);
        var folder = Directory.CreateTempSubdirectory("frostline-recipe");
        try
        {
            var recipe = Recipe.Parse(RecipeFixture.Full, "r.yaml", folder.FullName, RecipeFixture.Registry());
            var rule = recipe.Initialize.OfType<LoadRule>().Single();
            var error = Assert.Throws<RecipeException>(() => recipe.FindCheckpoint(rule));
            Assert.StartsWith($"r.yaml:16:11: \"backbone.pth\" is missing; looked for {Path.Combine(folder.FullName, "backbone.pth")}, "
                + Path.Combine(folder.FullName, "weights", "backbone.pth"), error.Message, StringComparison.Ordinal);

            var shared = folder.CreateSubdirectory("shared").FullName;
            File.WriteAllText(Path.Combine(shared, "backbone.pth"), "");
            Environment.SetEnvironmentVariable(Recipe.WeightsVariable, shared);
            Assert.Equal(Path.Combine(shared, "backbone.pth"), recipe.FindCheckpoint(rule));
            var inWeights = Path.Combine(folder.CreateSubdirectory("weights").FullName, "backbone.pth");
            File.WriteAllText(inWeights, "");
            Assert.Equal(inWeights, recipe.FindCheckpoint(rule));
            var beside = Path.Combine(folder.FullName, "backbone.pth");
            File.WriteAllText(beside, "");
            Assert.Equal(beside, recipe.FindCheckpoint(rule));
        }
        finally
        {
            Environment.SetEnvironmentVariable(Recipe.WeightsVariable, before);
            folder.Delete(recursive: true);
        }
    }
}
