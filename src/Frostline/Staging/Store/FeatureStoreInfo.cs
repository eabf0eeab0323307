namespace Frostline.Staging;

/// <summary>What is known of a store without opening it.</summary>
/// <param name="Identity">The hash that its folder is called by.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Description">What it is of, as its manifest says.</param>
/// <param name="Schema">What one record is; null where the manifest cannot be read.</param>
/// <param name="Records">How many valid entries its indices have.</param>
/// <param name="Bytes">How many bytes its files have.</param>
/// <param name="LastUsed">When a process last opened or closed it.</param>
/// <param name="InUse">Whether a process has it open.</param>
/// <param name="Problem">What is wrong with it, in one line, or null.</param>
public sealed record FeatureStoreInfo(
    string Identity,
    string Folder,
    IReadOnlyDictionary<string, string> Description,
    FeatureSchema? Schema,
    long Records,
    long Bytes,
    DateTimeOffset LastUsed,
    bool InUse,
    string? Problem);

/// <summary>What comparing every record of a store with its checksum has found.</summary>
/// <param name="Identity">The hash that its folder is called by.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Records">How many records are as they were written.</param>
/// <param name="Damaged">How many records, or entries of an index, are not.</param>
/// <param name="Dropped">
/// How many of the damaged ones were erased; less than all where a process was writing to their shard.
/// </param>
/// <param name="Problem">What else is wrong with it, in one line, or null.</param>
public sealed record FeatureStoreVerification(
    string Identity, string Folder, long Records, long Damaged, long Dropped, string? Problem)
{
    /// <summary>Whether everything is as it was written.</summary>
    public bool IsSound => Damaged == 0 && Problem is null;
}
