using Frostline.Training.Data;
using Frostline.Training.Features;
using Frostline.Training.Tests.Data;
using Xunit;

namespace Frostline.Training.Tests.Features;

public sealed class FeatureVariantsTests
{
    [Fact]
    public void Without_random_transforms_there_is_one_version()
    {
        var variants = FeatureVariants.Of([new Negate(0)], null, seed: 1, out var reason)!;
        Assert.Null(reason);
        Assert.Equal((1, true), (variants.Count, variants.IsExact));
        Assert.Equal(0, variants.NumberOf(5, 7, 1));
    }

    [Fact]
    public void Random_transforms_without_a_stated_number_cannot_be_stored_and_the_reason_names_one()
    {
        Assert.Null(FeatureVariants.Of([new Negate(0.5), new AddDraw()], null, seed: 1, out var reason));
        Assert.Contains("AddDraw", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Discrete_transforms_give_in_every_epoch_what_they_give_without_a_store()
    {
        ITransform[] transforms = [new Negate(0.5), new Negate(0.3), new Shift(3)];
        var variants = FeatureVariants.Of(transforms, null, seed: 9, out _)!;
        Assert.Equal((4, true), (variants.Count, variants.IsExact));
        var seen = new HashSet<int>();
        for (var epoch = 0; epoch < 20; epoch++)
        {
            for (var index = 0; index < 5; index++)
            {
                var number = variants.NumberOf(epoch, index, again: 0);
                seen.Add(number);
                Assert.Equal(Plain(transforms, 9, epoch, index), Stored(variants, index, number));
            }
        }

        Assert.Equal(4, seen.Count);
    }

    [Fact]
    public void Drawn_variants_are_a_function_of_seed_index_and_variant_and_epochs_take_them_in_turn()
    {
        var variants = FeatureVariants.Of([new AddDraw()], 3, seed: 9, out _)!;
        Assert.Equal((3, false), (variants.Count, variants.IsExact));
        Assert.Equal([0, 1, 2, 0, 1, 2], Enumerable.Range(0, 6).Select(epoch => variants.NumberOf(epoch, 4, again: 0)));
        Assert.Equal(1, variants.NumberOf(0, 4, again: 1));
        var values = Enumerable.Range(0, 3).Select(number => Stored(variants, 4, number)).ToList();
        Assert.Equal(3, values.Distinct().Count());
        Assert.Equal(values, Enumerable.Range(0, 3).Select(number => Stored(variants, 4, number)));
        Assert.NotEqual(values[0], Stored(variants, 5, 0));
        Assert.NotEqual(values[0], Stored(FeatureVariants.Of([new AddDraw()], 3, seed: 8, out _)!, 4, 0));
    }

    [Fact]
    public void A_flip_is_not_counted_among_the_drawn()
    {
        ITransform[] transforms = [new AddDraw(), new Negate(0.5)];
        var variants = FeatureVariants.Of(transforms, 2, seed: 9, out _)!;
        Assert.Equal((4, 2, 2), (variants.Count, variants.Drawn, variants.Outcomes));
        // The outcomes of one drawn variant differ by nothing but the sign.
        Assert.Equal(Math.Abs(Stored(variants, 3, 2)), Math.Abs(Stored(variants, 3, 3)));
        Assert.NotEqual(Stored(variants, 3, 2), Stored(variants, 3, 3));
    }

    [Fact]
    public void Keys_tell_contents_transforms_and_versions_apart_and_samples_and_rows_only_where_something_was_drawn()
    {
        var exact = FeatureVariants.Of([new Negate(0.5)], null, seed: 1, out _)!;
        Assert.Equal(exact.KeyOf(5, "t", 1, 0, 0), exact.KeyOf(5, "t", 2, 0, 1));
        Assert.Equal(4, new[]
        {
            exact.KeyOf(5, "t", 1, 0, 0), exact.KeyOf(6, "t", 1, 0, 0), exact.KeyOf(5, "u", 1, 0, 0), exact.KeyOf(5, "t", 1, 1, 0),
        }.Distinct().Count());
        var drawn = FeatureVariants.Of([new AddDraw()], 2, seed: 1, out _)!;
        var other = FeatureVariants.Of([new AddDraw()], 2, seed: 2, out _)!;
        Assert.Equal(5, new[]
        {
            drawn.KeyOf(5, "t", 1, 0, 0), drawn.KeyOf(5, "t", 2, 0, 0), drawn.KeyOf(5, "t", 1, 0, 1), other.KeyOf(5, "t", 1, 0, 0), exact.KeyOf(5, "t", 1, 0, 0),
        }.Distinct().Count());
    }

    private static float Plain(ITransform[] transforms, long seed, int epoch, int index)
    {
        var sample = SampleOf(index);
        new TransformChain(transforms).Apply(sample, AugmentationRandom.Of(seed, epoch, index, 0));
        return ValueOf(sample);
    }

    private static float Stored(FeatureVariants variants, int index, int number)
    {
        var sample = SampleOf(index);
        variants.Apply(sample, index, number);
        return ValueOf(sample);
    }

    private static Sample SampleOf(int index) => FakeDataset.Of(10).Read(index);

    private static float ValueOf(Sample sample) => ((float[])sample.Fields["x"].ToTensor().Values)[0];

    /// <summary>Changes the sign with a probability; 0 for always the same sign.</summary>
    private sealed class Negate(double probability) : IDiscreteTransform
    {
        public bool IsRandom => true;

        public int Outcomes => probability == 0 ? 1 : 2;

        public int Draw(CounterRandom random) => random.NextDouble() < probability ? 1 : 0;

        public void Apply(Sample sample, CounterRandom random) => Apply(sample, Draw(random));

        public void Apply(Sample sample, int outcome)
        {
            var values = (float[])sample.Fields["x"].ToTensor().Values;
            sample.Set("x", SampleTensor.Of([.. values.Select(value => outcome == 1 ? -value : value)], values.Length));
        }
    }

    private sealed class Shift(float by) : ITransform
    {
        public bool IsRandom => false;

        public void Apply(Sample sample, CounterRandom random)
        {
            var values = (float[])sample.Fields["x"].ToTensor().Values;
            sample.Set("x", SampleTensor.Of([.. values.Select(value => value + by)], values.Length));
        }
    }
}
