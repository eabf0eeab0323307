using System.ComponentModel.DataAnnotations;
using Frostline.Training.Data;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>What is trained and validated on, and how samples are prepared.</summary>
public sealed record DataSettings : ICheckedOptions
{
    /// <summary>The data set that is trained on.</summary>
    public required CatalogItem<IDataset> Train { get; init; }

    /// <summary>The data set that is validated on. Default: a part of the training data, see <c>split</c>.</summary>
    public CatalogItem<IDataset>? Validate { get; init; }

    /// <summary>
    /// The share of the training data that is set aside for validation, drawn by the seed with the classes' shares kept. Only
    /// without <c>validate</c>. Default: no validation.
    /// </summary>
    [Percentage]
    [Range(0d, 1d, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double? Split { get; init; }

    /// <summary>
    /// How a sample becomes the network's input, in order; nothing in it may be random. Used for validation, evaluation and
    /// prediction, and stored in the model file.
    /// </summary>
    public IReadOnlyList<CatalogItem<ITransform>> Transform { get; init; } = [];

    /// <summary>The same for training, where transforms may be random. Default: as <c>transform</c>.</summary>
    public IReadOnlyList<CatalogItem<ITransform>>? TrainTransform { get; init; }

    /// <summary>
    /// What an unreadable sample does: <c>fail</c> ends the run, <c>skip</c> leaves it out and reports it. Default: fail.
    /// </summary>
    public UnreadablePolicy Unreadable { get; init; } = UnreadablePolicy.Fail;

    /// <summary>How many threads read and transform samples ahead of training. Default: 2.</summary>
    [Range(1, 256)]
    public int Workers { get; init; } = 2;

    /// <inheritdoc/>
    public OptionProblem? Check() =>
        Validate is not null && Split is not null
            ? new OptionProblem(nameof(Split), "there is a data set to validate on; keep validate or split, not both")
            : null;
}
