using CsCheck;
using Frostline.Testing;
using Frostline.Training.Recipes;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

public sealed class SetOverrideTests
{
    [Theory]
    [InlineData("train.epochs=3")]
    [InlineData("train={ epochs: 3 }")]
    [InlineData(" train.epochs = 3 ")]
    public void A_value_is_replaced(string set) => Assert.Equal(3, RecipeFixture.Parse(RecipeFixture.Full, set).Train.Epochs);

    [Fact]
    public void A_value_is_added_where_there_was_none()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.Minimal, "train.early-stopping.patience=2", "metrics=[accuracy, top-5]", "initialize[0].keep=**");
        Assert.Equal(2, recipe.Train.EarlyStopping!.Patience);
        Assert.Equal(2, recipe.Metrics!.Count);
        Assert.Equal("**", Assert.IsType<KeepRule>(recipe.Initialize.Single()).Keep);
    }

    [Theory]
    [InlineData("freeze[0].freeze=** & !head.**")]
    [InlineData("freeze.0.freeze=** & !head.**")]
    [InlineData("freeze[0].freeze='** & !head.**'")]
    public void Items_of_lists_are_reached_and_patterns_need_no_quotes(string set) =>
        Assert.Equal("** & !head.**", ((FreezeSelectionRule)RecipeFixture.Parse(RecipeFixture.Full, set).Freeze[0]).Freeze);

    [Fact]
    public void The_index_after_the_last_appends()
    {
        var recipe = RecipeFixture.Parse(RecipeFixture.Full, "freeze[3].train=fc.**", "freeze[3].norm=hold");
        Assert.Equal("fc.**", ((TrainSelectionRule)recipe.Freeze[3]).Train);
    }

    [Fact]
    public void Bare_names_and_shorthands_take_options()
    {
        var text = RecipeFixture.MinimalWith("train: { optimizer: sgd, early-stopping: 5 }\nloss: cross-entropy");
        var recipe = RecipeFixture.Parse(
            text, "train.optimizer.momentum=0.5", "train.early-stopping.metric=top-5", "loss.class-weights=balanced", "data.transform=[{ resize: 3 }]",
            "data.transform[0].resize.antialias=off");
        Assert.Equal("sgd", recipe.Train.Optimizer!.Name);
        Assert.Equal(0.5, ((Optimization.SgdSettings)recipe.Train.Optimizer.Options).Momentum);
        Assert.Equal((5, "top-5"), (recipe.Train.EarlyStopping!.Patience, recipe.Train.EarlyStopping.Metric));
        var resize = (ResizeOptions)recipe.Data.Transform.Single().Options;
        Assert.Equal((3, false), (resize.Size, resize.Antialias));
    }

    [Theory]
    [InlineData("train.epochs", "--set train.epochs: there is no \"=\"; write --set key.path=value")]
    [InlineData("=3", "--set =3: \"\" is no path")]
    [InlineData("train..epochs=3", "--set train..epochs=3: \"train..epochs\" is no path")]
    [InlineData("train[x]=3", "--set train[x]=3: \"train[x]\" is no path; an index is a whole number")]
    [InlineData("freeze[0]x=3", "--set freeze[0]x=3: \"freeze[0]x\" is no path; a dot is missing")]
    [InlineData("train.epochz=3", "--set train.epochz=3: \"epochz\" is no key of train; did you mean \"epochs\"?")]
    [InlineData("train.epochs=many", "--set train.epochs=many: \"many\" is not a whole number")]
    [InlineData("train.epochs=", "--set train.epochs=: \"epochs\" has no value")]
    [InlineData("train.epochs.x=3", "--set train.epochs.x=3: \"{ x: … }\" is a mapping; epochs wants a whole number")]
    [InlineData("freeze.train=x", "--set freeze.train=x: \"freeze\" is a list, and \"train\" is no index; write freeze[0]")]
    [InlineData("freeze[4].train=x", "--set freeze[4].train=x: \"freeze\" has 3 items; the index 4 is past the end (index 3 appends)")]
    [InlineData("model.name=nett", "--set model.name=nett: \"nett\" is no network; did you mean \"net\"?")]
    [InlineData("metrics=[accuracy", "--set metrics=[accuracy: \"[accuracy\" is not YAML")]
    [InlineData("version=2", "--set version=2: \"2\" is no version")]
    public void Wrong_overrides_are_told(string set, string start) =>
        Assert.StartsWith(start, RecipeFixture.Fails(RecipeFixture.Full, set).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_an_override_or_a_recipe_error() =>
        Gen.Select(Gen.String[Gen.Char["ab.[]=0129x-{}\"' tranefz,:*&!~\n"], 0, 24], Gen.Bool)
            .Holds(
                (text, prefixed) =>
                {
                    try
                    {
                        _ = RecipeFixture.Parse(RecipeFixture.Full, prefixed ? "freeze" + text : text);
                    }
                    catch (RecipeException exception)
                    {
                        Assert.DoesNotContain('\n', exception.Message);
                    }
                },
                samples: 1000);
}
