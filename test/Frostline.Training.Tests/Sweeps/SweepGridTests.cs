using Frostline.Optimization;
using Frostline.Training.Recipes;
using Frostline.Training.Sweeps;
using Frostline.Training.Tests.Jobs;
using Xunit;

namespace Frostline.Training.Tests.Sweeps;

/// <summary>What may be varied, and in which order trials come.</summary>
[Collection("libtorch")]
public sealed class SweepGridTests : IDisposable
{
    private readonly RecipeBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Trials_are_the_product_and_the_last_key_changes_fastest()
    {
        var recipe = _bench.Parse();
        var trials = SweepGrid.Of(recipe, ["learning-rate=0.1,0.2", "seed=1,2", "train.epochs=3"]).Trials(recipe);
        Assert.Equal([("0.1", "1"), ("0.1", "2"), ("0.2", "1"), ("0.2", "2")], trials.Select(trial => (trial.Values["learning-rate"], trial.Values["seed"])));
        Assert.Equal([1, 2, 3, 4], trials.Select(trial => trial.Number));
        Assert.Equal((0.2, 1, 3), (((SgdSettings)trials[2].Recipe.Train.Optimizer!.Options).LearningRate, trials[2].Recipe.Seed, trials[2].Recipe.Train.Epochs));
        Assert.Equal(0.9, ((SgdSettings)trials[2].Recipe.Train.Optimizer!.Options).Momentum);
    }

    [Fact]
    public void A_recipe_that_was_changed_in_code_is_varied_as_it_is()
    {
        var recipe = _bench.Parse(RecipeBench.Text, "train.epochs=7");
        Assert.Equal(7, SweepGrid.Of(recipe, ["seed=1"]).Trials(recipe)[0].Recipe.Train.Epochs);
        recipe = recipe with { Train = recipe.Train with { BatchSize = 5 } };
        Assert.Equal((7, 5), Sizes(SweepGrid.Of(recipe, ["seed=1"]).Trials(recipe)[0].Recipe));
    }

    [Fact]
    public void Values_in_brackets_and_quotes_may_hold_commas_and_whole_things_come_before_their_options()
    {
        var recipe = _bench.Parse();
        var trials = SweepGrid.Of(recipe, ["learning-rate=0.1", "train.optimizer=sgd,adamw", "loss={ name: cross-entropy, label-smoothing: 0.1 },cross-entropy"]).Trials(recipe);
        Assert.Equal(["sgd", "sgd", "adamw", "adamw"], trials.Select(trial => trial.Recipe.Train.Optimizer!.Name));
        Assert.All(trials, trial => Assert.Equal(0.1, ((OptimizerSettings)trial.Recipe.Train.Optimizer!.Options).LearningRate));
    }

    [Theory]
    [InlineData("data.train.count=3", "changes the data")]
    [InlineData("data.transform=[]", "changes the data")]
    [InlineData("prefix.engine=plain", "how the frozen part is computed")]
    [InlineData("train.mixup=0.1", "mixes the inputs")]
    [InlineData("best=loss", "compared by one metric")]
    [InlineData("metrics=[accuracy]", "compared by one metric")]
    [InlineData("threads=1", "is one for all trials")]
    [InlineData("learning-rat=1", "learning-rate")]
    [InlineData("learning-rate", "no \"=\"")]
    [InlineData("learning-rate=1,,2", "a value is empty")]
    [InlineData("learning-rate=1,1", "there twice")]
    [InlineData("learning-rate=fast", "--grid train.optimizer.learning-rate=fast")]
    [InlineData("train.epoch=1", "epochs")]
    public void What_cannot_be_varied_is_refused_in_one_line(string grid, string message)
    {
        var recipe = _bench.Parse();
        var error = Assert.ThrowsAny<FrostlineException>(() => SweepGrid.Of(recipe, [grid]).Trials(recipe));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_seed_that_would_draw_other_data_is_refused()
    {
        var recipe = _bench.Parse(RecipeBench.Text.Replace("  validate: { name: points, count: 30, draw: 9 }", "  split: 20%", StringComparison.Ordinal));
        var error = Assert.Throws<FrostlineException>(() => SweepGrid.Of(recipe, ["seed=1,2"]));
        Assert.Contains("data.split", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_may_not_repeat_and_trials_are_limited()
    {
        var recipe = _bench.Parse();
        var twice = Assert.Throws<FrostlineException>(() => SweepGrid.Of(recipe, ["learning-rate=1", "train.optimizer.learning-rate=2"]));
        Assert.Contains("twice", twice.Message, StringComparison.Ordinal);
        var many = string.Join(',', Enumerable.Range(1, 17));
        var error = Assert.Throws<FrostlineException>(() => SweepGrid.Of(recipe, [$"seed={many}", $"train.epochs={many}"]));
        Assert.Contains("289 trials", error.Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => SweepGrid.Of(recipe, []));
    }

    private static (int Epochs, int BatchSize) Sizes(Recipe recipe) => (recipe.Train.Epochs, recipe.Train.BatchSize);
}
