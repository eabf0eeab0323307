using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>What a recipe trains and validates on, opened; no sample is decoded yet.</summary>
public sealed class TrainingData
{
    private readonly Recipe _recipe;

    private TrainingData(Recipe recipe, IDataset train, IDataset? validate, BuildContext context)
    {
        (_recipe, Train, Validate) = (recipe, train, validate);
        Transform = Transforms(recipe.Data.Transform, "data.transform", context, random: false);
        TrainTransform = recipe.Data.TrainTransform is { } own
            ? Transforms(own, "data.train-transform", context, random: true)
            : Transform;
        Context = context;
    }

    /// <summary>The training data.</summary>
    public IDataset Train { get; }

    /// <summary>The validation data, its classes numbered as the training data's; null for none.</summary>
    public IDataset? Validate { get; }

    /// <summary>How a sample becomes the network's input for validation.</summary>
    public IReadOnlyList<ITransform> Transform { get; }

    /// <summary>How a sample becomes the network's input for training.</summary>
    public IReadOnlyList<ITransform> TrainTransform { get; }

    /// <summary>What is known when networks, losses and metrics are created: classes and counts of the training data.</summary>
    public BuildContext Context { get; }

    /// <summary>The classes; null where the data has none.</summary>
    public ClassMap? Classes => Context.Classes;

    /// <summary>Opens a recipe's data sets.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <exception cref="RecipeException">
    /// A data set or transform cannot be created, a transform that has to give one result is random, or classes do not fit.
    /// </exception>
    public static TrainingData Open(Recipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        var plain = new BuildContext { Folder = recipe.Folder, Seed = recipe.Seed };
        var train = recipe.Data.Train.Create(plain);
        IDataset? validate = null;
        if (recipe.Data.Validate is { } separate)
        {
            validate = recipe.At("data.validate", () => ClassAlignment.Of(separate.Create(plain), train.Classes));
        }
        else if (recipe.Data.Split is { } share)
        {
            (train, validate) = recipe.At<(IDataset, IDataset?)>(
                "data.split", () => DatasetSplit.Stratified(train, share, recipe.Seed));
        }

        return new TrainingData(recipe, train, validate, new BuildContext
        {
            Folder = recipe.Folder,
            Seed = recipe.Seed,
            Classes = train.Classes,
            ClassCounts = Count(train),
            SampleCount = train.Count,
            Facts = train.Facts,
            ValidationData = validate,
        });
    }

    /// <summary>What is wrong in the files of the data, each thing once; of very many the first, and how many more there are.</summary>
    internal IReadOnlyList<string> Problems()
    {
        const int most = 50;
        List<string> all = [.. Train.Problems.Concat(Validate?.Problems ?? []).Distinct(StringComparer.Ordinal)];
        return all.Count <= most ? all : [.. all.Take(most), $"{all.Count - most} more problems of the data are not listed"];
    }

    /// <summary>The same data as a model means it: its classes numbered as the model has them, and the facts that the model was made with.</summary>
    /// <param name="model">What the model says of itself.</param>
    /// <exception cref="FrostlineException">The data has a class that the model does not know.</exception>
    public TrainingData As(ModelDescription model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var facts = model.Facts.Count > 0 ? model.Facts : Context.Facts;
        if (model.Classes is not { } classes) return new TrainingData(_recipe, Train, Validate, With(Context, facts));
        // Training data of other classes does not matter to a model that is only measured; it is counted where it fits.
        var fits = Train.Classes is { } own && own.MultiLabel == classes.MultiLabel && own.Names.All(classes.Names.Contains);
        var train = fits ? ClassAlignment.Of(Train, classes) : Train;
        var validate = Validate is null ? null : ClassAlignment.Of(Validate, classes);
        return new TrainingData(_recipe, train, validate, new BuildContext
        {
            Folder = Context.Folder,
            Seed = Context.Seed,
            Classes = classes,
            ClassCounts = fits ? Count(train) : null,
            SampleCount = fits ? train.Count : null,
            Facts = facts,
            ValidationData = validate,
        });
    }

    /// <summary>
    /// How a sample becomes the network's input, as a text: every transform with all its options, and the version of the assembly that it comes
    /// from. Equal texts make equal inputs of equal samples.
    /// </summary>
    /// <param name="forTraining">Whether for training; else for validation.</param>
    internal string TransformText(bool forTraining)
    {
        var items = (forTraining ? _recipe.Data.TrainTransform : null) ?? _recipe.Data.Transform;
        var transforms = forTraining ? TrainTransform : Transform;
        return string.Join('\n', items.Zip(transforms, (item, transform) =>
            $"{ItemJson.Write(item).ToJsonString(RunJson.Line)} {transform.GetType().FullName} {transform.GetType().Module.ModuleVersionId}"));
    }

    /// <summary>The loader of the training data.</summary>
    public BatchLoader TrainLoader() => Loader(Train, TrainTransform, _recipe.Train.Sampling);

    /// <summary>The loader of the validation data; null for none.</summary>
    public BatchLoader? ValidateLoader() => Validate is null ? null : Loader(Validate, Transform, SamplingMode.Sequential);

    /// <summary>A loader of other data in its own order, prepared as for validation.</summary>
    /// <param name="dataset">The data.</param>
    /// <param name="transform">How a sample becomes the network's input; null for the recipe's.</param>
    public BatchLoader LoaderOf(IDataset dataset, IReadOnlyList<ITransform>? transform = null) =>
        Loader(dataset, transform ?? Transform, SamplingMode.Sequential);

    private BatchLoader Loader(IDataset dataset, IReadOnlyList<ITransform> transforms, SamplingMode sampling) =>
        _recipe.At("data", () => new BatchLoader(
        dataset,
        new BatchLoaderOptions
        {
            BatchSize = _recipe.Train.BatchSize,
            Seed = _recipe.Seed,
            Sampling = sampling,
            Workers = _recipe.Data.Workers,
            Unreadable = _recipe.Data.Unreadable,
            Transforms = transforms,
        }));

    private List<ITransform> Transforms(
        IReadOnlyList<CatalogItem<ITransform>> items, string path, BuildContext context, bool random)
    {
        var transforms = new List<ITransform>();
        for (var i = 0; i < items.Count; i++)
        {
            var transform = items[i].Create(context);
            if (transform.IsRandom && !random)
            {
                throw _recipe.Error(
                    FormattableString.Invariant($"{path}[{i}]"),
                    $"\"{items[i].Name}\" is random, and validation and prediction have to give one result; "
                        + "move it to train-transform");
            }

            transforms.Add(transform);
        }

        return transforms;
    }

    private static BuildContext With(BuildContext context, IReadOnlyDictionary<string, string> facts) => new()
    {
        Folder = context.Folder,
        Seed = context.Seed,
        Classes = context.Classes,
        ClassCounts = context.ClassCounts,
        SampleCount = context.SampleCount,
        Facts = facts,
        ValidationData = context.ValidationData,
    };

    private static List<long>? Count(IDataset dataset)
    {
        if (dataset.Classes is not { } classes) return null;
        var counts = new long[classes.Names.Count];
        for (var i = 0; i < dataset.Count; i++)
        {
            foreach (var label in dataset.LabelsOf(i)) counts[label]++;
        }

        return [.. counts];
    }
}
