using Frostline.Staging;
using Frostline.Training.Data;

namespace Frostline.Training.Features;

/// <summary>A batch's features as a loader's thread leaves them: the rows that were stored, and the inputs of those that were not.</summary>
/// <param name="Cache">Where they come from, and where the missing ones go.</param>
/// <param name="Keys">The key of each row.</param>
/// <param name="Values">For each tensor of the store's schema the bytes of all rows; those of missing rows mean nothing.</param>
/// <param name="Missing">The rows that were not stored; of rows with one key the first.</param>
/// <param name="Repeats">Rows that are to be the same as an earlier missing one: the row, and that one.</param>
/// <param name="Inputs">The inputs of the missing rows in their order, shape [M, ...]; null where none is missing.</param>
internal sealed record HostFeatures(
    FeatureCache Cache,
    FeatureKey[] Keys,
    byte[][] Values,
    IReadOnlyList<int> Missing,
    IReadOnlyList<(int Row, int From)> Repeats,
    IReadOnlyDictionary<string, SampleTensor>? Inputs);
