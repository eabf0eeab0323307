using Frostline.Cli.Commands;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Training.Runs;
using TorchSharp.Modules;
using Xunit;

namespace Frostline.Cli.Tests;

/// <summary>Trainings that store what the frozen part puts out, and read it again.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class CacheTrainingTests : IDisposable
{
    private readonly TinyProject _project = new();

    public void Dispose() => _project.Dispose();

    [Theory]
    [InlineData("plain")]
    [InlineData("libtorch")]
    [InlineData("onnxruntime")]
    public void A_training_from_the_store_gives_the_bits_of_one_without_and_evaluates_each_sample_once(string engine)
    {
        var plain = Train("without", $"prefix.engine={engine}", "prefix.cache=off").Summary;
        var stored = Train("with", $"prefix.engine={engine}", "prefix.cache=on").Summary;
        Assert.Equal((engine, true), (stored.Prefix.Engine, stored.Prefix.Cache!.Used));
        Assert.Equal([(12L, 0L), (0L, 12L)], RowsOf(stored));
        Assert.Equal([(12L, 0L), (12L, 0L)], RowsOf(plain));
        Assert.Equal(plain.Epochs.Select(epoch => epoch.Loss), stored.Epochs.Select(epoch => epoch.Loss));
        Assert.Equal(WeightsOf("without"), WeightsOf("with"));
    }

    [Fact]
    public void A_second_training_evaluates_nothing_and_gives_the_same_bits()
    {
        Train("one", "prefix.cache=on");
        var second = Train("two", "prefix.cache=on").Summary;
        Assert.Equal([(0L, 12L), (0L, 12L)], RowsOf(second));
        Assert.Equal(_project.ModelIn("one"), _project.ModelIn("two"));
    }

    [Fact]
    public void Another_recipe_with_the_same_prefix_shares_the_store_and_more_images_extend_it()
    {
        Train("one", "prefix.cache=on");
        Bitmap.Write(_project.PathOf("train/red/more.bmp"), 32, 77, 10, 10);
        Bitmap.Write(_project.PathOf("train/blue/more.bmp"), 32, 10, 10, 77);
        var more = Train("two", "prefix.cache=on", "train.optimizer.learning-rate=0.5").Summary;
        Assert.Equal([(2L, 12L), (0L, 14L)], RowsOf(more));
    }

    [Fact]
    public void A_changed_image_transform_or_weight_is_computed_anew()
    {
        Train("one", "prefix.cache=on");
        Bitmap.Write(_project.PathOf("train/red/0.bmp"), 32, 200, 200, 10);
        Assert.Equal((1L, 11L), RowsOf(Train("image", "prefix.cache=on").Summary)[0]);
        Assert.Equal((12L, 0L), RowsOf(Train("transform", "prefix.cache=on", "data.transform.0.resize.interpolation=nearest").Summary)[0]);
        using (var network = new Vision.Networks.CifarResNet(20, classes: 10))
        {
            new Initialization.InitializationPlan().Draw("**", Initialization.InitializationScheme.ResNet).Apply(network, seed: 4);
            Initialization.ModelFile.Save(network, _project.PathOf("backbone.safetensors"));
        }

        Assert.Equal((12L, 0L), RowsOf(Train("weight", "prefix.cache=on").Summary)[0]);
        Assert.Equal((12L, 0L), RowsOf(Train("engine", "prefix.cache=on", "prefix.engine=libtorch").Summary)[0]);
    }

    [Fact]
    public void Labels_are_those_of_now_and_not_those_of_when_it_was_stored()
    {
        Train("one", "prefix.cache=on");
        // The same pictures, the other way round.
        Directory.Move(_project.PathOf("train/red"), _project.PathOf("train/x"));
        Directory.Move(_project.PathOf("train/blue"), _project.PathOf("train/red"));
        Directory.Move(_project.PathOf("train/x"), _project.PathOf("train/blue"));
        var stored = Train("two", "prefix.cache=on").Summary;
        Assert.Equal((0L, 12L), RowsOf(stored)[0]);
        Assert.Equal(Train("plain", "prefix.cache=off").Summary.Epochs[0].Loss, stored.Epochs[0].Loss);
    }

    [Fact]
    public void A_damaged_record_is_computed_anew()
    {
        var first = Train("one", "prefix.cache=on").Summary;
        var data = Directory.GetFiles(Path.Combine(_project.PathOf("features"), first.Prefix.Cache!.Store!), "*.data").Single();
        using (var file = File.OpenHandle(data, FileMode.Open, FileAccess.ReadWrite)) RandomAccess.Write(file, [1, 2, 3], 70);
        Assert.Equal([(1L, 11L), (0L, 12L)], RowsOf(Train("two", "prefix.cache=on").Summary));
        Assert.Equal(_project.ModelIn("one"), _project.ModelIn("two"));
    }

    [Fact]
    public void A_flip_is_stored_in_both_ways_and_trained_as_without_a_store()
    {
        string[] sets = ["train.epochs=8", "data.train-transform=[{ flip: 0.5 }, { resize: 32 }]"];
        Train("without", [.. sets, "prefix.cache=off"]);
        var stored = Train("with", [.. sets, "prefix.cache=on"]).Summary;
        Assert.Equal((2, true), (stored.Prefix.Cache!.Variants, stored.Prefix.Cache.IsExact));
        Assert.InRange(RowsOf(stored).Sum(rows => rows.Computed), 13, 20);
        Assert.Equal(WeightsOf("without"), WeightsOf("with"));
    }

    [Fact]
    public void Random_transforms_are_stored_only_as_a_stated_number_of_variants()
    {
        string[] sets = ["train.epochs=5", "data.train-transform=[{ random-crop: { size: 32, padding: 4 } }, { flip: 0.5 }]"];
        var auto = Train("auto", sets).Summary.Prefix.Cache!;
        Assert.False(auto.Used);
        Assert.Contains("RandomCrop", auto.Reason, StringComparison.Ordinal);
        var error = Assert.Throws<RecipeException>(() => Train("on", [.. sets, "prefix.cache=on"]));
        Assert.Contains("cached-variants", error.Message, StringComparison.Ordinal);
        var stored = Train("stored", [.. sets, "prefix.cache=on", "prefix.cached-variants=2"]).Summary;
        Assert.Equal((4, false), (stored.Prefix.Cache!.Variants, stored.Prefix.Cache.IsExact));
        Assert.InRange(RowsOf(stored).Sum(rows => rows.Computed), 4 + 8 + 8, 4 + (4 * 8));
        Assert.Contains("4 fixed variants of each sample", File.ReadAllText(new RunFolder(_project.PathOf("stored")).Log), StringComparison.Ordinal);
        Assert.Equal(0, RowsOf(Train("again", [.. sets, "prefix.cache=on", "prefix.cached-variants=2"]).Summary).Sum(rows => rows.Computed));
    }

    [Fact]
    public void Nothing_is_stored_below_dropout_moving_statistics_or_mixup()
    {
        var error = Assert.Throws<RecipeException>(() => Train("mixup", "prefix.cache=on", "train.mixup=0.2"));
        Assert.Contains("mixup", error.Message, StringComparison.Ordinal);
        File.WriteAllText(_project.Recipe, TinyProject.RecipeText.Replace(
            "  - freeze: \"** & !linear\"", "  - freeze: \"** & !linear\"\n    norm: move", StringComparison.Ordinal));
        Assert.Null(Train("moving", "prefix.cache=on").Summary.Prefix.Engine);
    }

    [Fact]
    public void A_resumed_training_goes_on_from_the_store_to_the_same_bits()
    {
        Train("straight", "prefix.cache=on");
        Directory.Delete(_project.PathOf("features"), recursive: true);
        using (var source = new CancellationTokenSource())
        {
            var cancelled = _project.Train(
                "broken", [$"prefix.location={_project.PathOf("features")}", "prefix.cache=on"], new CancelAfterFirstBatch(source), source.Token);
            Assert.False(cancelled.IsComplete);
        }

        var resumed = Train("broken", "prefix.cache=on").Summary;
        Assert.Equal([(12L, 0L), (0L, 12L)], RowsOf(resumed));
        Assert.Equal(_project.ModelIn("straight"), _project.ModelIn("broken"));
    }

    [Theory]
    [InlineData("prefix.memory-gigabytes=1", true)]
    [InlineData("prefix.max-gigabytes=0.000001", false)]
    public void A_resumed_training_keeps_the_order_of_a_store_that_outgrew_memory_though_now_it_would_fit_or_there_is_none(string now, bool isUsed)
    {
        string[] little = ["prefix.cache=on", "prefix.memory-gigabytes=0", "train.batch-size=2"];
        var straight = Train("straight", little).Summary;
        Assert.Equal(8, straight.Prefix.Cache!.ShuffleChunk);
        Assert.Contains("chunk by chunk", straight.Prefix.Cache.Reason, StringComparison.Ordinal);
        Train("other-order", [.. little, "prefix.memory-gigabytes=1"]);
        Assert.NotEqual(_project.ModelIn("straight"), _project.ModelIn("other-order"));
        using (var source = new CancellationTokenSource())
        {
            _project.Train(
                "broken", [$"prefix.location={_project.PathOf("features")}", .. little], new CancelAfterFirstBatch(source), source.Token);
        }

        Directory.Delete(_project.PathOf("features"), recursive: true);
        var resumed = Train("broken", [.. little, now]).Summary;
        Assert.Equal((isUsed, 8), (resumed.Prefix.Cache!.Used, resumed.Prefix.Cache.ShuffleChunk));
        Assert.Equal(_project.ModelIn("straight"), _project.ModelIn("broken"));
    }

    [Fact]
    public void A_training_that_begun_without_a_store_goes_on_without()
    {
        using (var source = new CancellationTokenSource())
            _project.Train("run", ["train.epochs=2"], new CancelAfterFirstBatch(source), source.Token);
        var resumed = Train("run").Summary;
        Assert.False(resumed.Prefix.Cache!.Used);
        Assert.Contains("as the training has begun", resumed.Prefix.Cache.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void When_the_frost_line_moves_the_store_is_cut_anew()
    {
        File.WriteAllText(_project.Recipe, TinyProject.RecipeText.Replace(
            "  - freeze: \"** & !linear\"", "  - freeze: \"** & !linear\"\n  - { from-epoch: 2, train: layer3, norm: hold }", StringComparison.Ordinal));
        var summary = Train("run", "prefix.cache=on", "train.epochs=4", "train.optimizer.learning-rate=1e-5").Summary;
        Assert.Equal([(12L, 0L), (0L, 12L), (12L, 0L), (0L, 12L)], RowsOf(summary));
        Assert.Equal(2, FeatureStores.List(_project.PathOf("features")).Count);
        Train("without", "prefix.cache=off", "train.epochs=4", "train.optimizer.learning-rate=1e-5");
        Assert.Equal(WeightsOf("without"), WeightsOf("run"));
    }

    [Theory]
    [InlineData("float16", 1e-2)]
    [InlineData("bfloat16", 1e-1)]
    public void Rounded_features_train_nearly_the_same_and_one_epoch_like_another(string storage, double tolerance)
    {
        var exact = Train("exact", "prefix.cache=on").Summary;
        var first = Train("first", "prefix.cache=on", $"prefix.storage={storage}").Summary;
        Train("second", "prefix.cache=on", $"prefix.storage={storage}");
        Assert.Equal(_project.ModelIn("first"), _project.ModelIn("second"));
        Assert.NotEqual(exact.Epochs[1].Loss, first.Epochs[1].Loss);
        Assert.Equal(exact.Epochs[1].Loss, first.Epochs[1].Loss, tolerance * exact.Epochs[1].Loss);
        var store = FeatureStores.List(_project.PathOf("features")).Single(store => store.Identity == first.Prefix.Cache!.Store);
        Assert.Equal(storage, store.Schema!.Tensors[0].Type.ToString(), ignoreCase: true);
    }

    [Fact]
    public void Features_are_augmented_anew_in_every_epoch_while_they_come_from_the_store()
    {
        var none = Train("none", "prefix.cache=on").Summary;
        foreach (var option in new[] { "train.feature-mixup=0.4", "train.feature-brightness=0.5" })
        {
            var stored = Train($"stored-{option}", "prefix.cache=on", option).Summary;
            Assert.Equal((0L, 12L), RowsOf(stored)[1]);
            Assert.True(none.Epochs[1].Loss != stored.Epochs[1].Loss, option);
            Train($"computed-{option}", "prefix.cache=off", option);
            Assert.Equal(WeightsOf($"computed-{option}"), WeightsOf($"stored-{option}"));
        }

        File.WriteAllText(_project.Recipe, TinyProject.RecipeText.Replace("  - freeze: \"** & !linear\"", "  - freeze: layer1", StringComparison.Ordinal));
        var error = Assert.Throws<RecipeException>(() => Train("nothing", "train.feature-mixup=0.4"));
        Assert.Contains("train.feature-mixup", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_the_disk_is_short_the_training_goes_on_without_and_says_so()
    {
        var full = Train("run", "prefix.cache=on", "prefix.max-gigabytes=0.000001").Summary;
        Assert.False(full.Prefix.Cache!.Used);
        Assert.Contains("only 1 kB may still be written", full.Prefix.Cache.Reason, StringComparison.Ordinal);
        Assert.Equal([(12L, 0L), (12L, 0L)], RowsOf(full));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_to_is_no_reason_to_fail()
    {
        File.WriteAllText(_project.PathOf("features"), "a file");
        var summary = Train("run", "prefix.cache=on").Summary;
        Assert.False(summary.Prefix.Cache!.Used);
        Assert.Contains("features", summary.Prefix.Cache.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_small_training_is_not_stored_unless_it_is_said()
    {
        var summary = Train("run").Summary;
        Assert.False(summary.Prefix.Cache!.Used);
        Assert.Contains("too little", summary.Prefix.Cache.Reason, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_project.PathOf("features")));
    }

    [Fact]
    public void Samples_drawn_several_times_or_alike_are_evaluated_once()
    {
        File.Copy(_project.PathOf("train/red/0.bmp"), _project.PathOf("train/red/copy.bmp"));
        var balanced = Train("run", "prefix.cache=on", "train.sampling=balanced", "train.epochs=6", "train.batch-size=9").Summary;
        Assert.InRange(RowsOf(balanced).Sum(rows => rows.Computed), 10, 12);
        Train("without", "prefix.cache=off", "train.sampling=balanced", "train.epochs=6", "train.batch-size=9");
        Assert.Equal(WeightsOf("without"), WeightsOf("run"));
    }

    [Theory]
    [InlineData("on", 8)]
    [InlineData("off", 12)]
    public void The_diagnosis_and_the_store_see_at_most_eight_rows_at_once(string cache, long most)
    {
        for (var i = 0; i < 4; i++) Bitmap.Write(_project.PathOf($"train/red/more{i}.bmp"), 32, (byte)(i * 9), 99, 10);
        var sizes = new List<long>();
        var registry = Registries.Create();
        registry.Networks.Register<NoOptions>("watched", "a network that tells how many rows it sees", (_, _) => Watched(sizes));
        var recipe = Recipe.Load(
            _project.Recipe, registry, ["model=watched", "train.batch-size=12", "prefix.engine=plain", $"prefix.cache={cache}", $"prefix.location={_project.PathOf("features")}"]);
        new TrainJob(recipe, new TrainJobOptions { Output = _project.PathOf("run") }).Run();
        Assert.Equal(most, sizes.Max());
    }

    [Fact]
    public void An_unreadable_image_is_left_out_in_every_epoch()
    {
        File.WriteAllBytes(_project.PathOf("train/red/broken.png"), [1, 2, 3]);
        var summary = Train("run", "prefix.cache=on", "data.unreadable=skip").Summary;
        Assert.Equal([(12L, 0L), (0L, 12L)], RowsOf(summary));
        Assert.Single(summary.Unreadable);
    }

    private static Vision.Networks.CifarResNet Watched(List<long> sizes)
    {
        var network = new Vision.Networks.CifarResNet(20, classes: 2);
        ((Conv2d)network.named_children().First(child => child.name == "conv1").module).register_forward_pre_hook((_, images) =>
        {
            sizes.Add(images.shape[0]);
            return images;
        });
        return network;
    }

    private static List<(long Computed, long Stored)> RowsOf(RunSummary summary) => [.. summary.Epochs.Select(epoch => (epoch.PrefixRows, epoch.StoredRows))];

    private byte[] WeightsOf(string folder)
    {
        using var model = Checkpoints.Checkpoint.Open(new RunFolder(_project.PathOf(folder)).Last);
        return [.. model.Read("model.linear.weight"), .. model.Read("model.linear.bias")];
    }

    private TrainResult Train(string folder, params string[] sets) => _project.Train(folder, [$"prefix.location={_project.PathOf("features")}", .. sets]);
}
