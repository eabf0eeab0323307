namespace Frostline.Checkpoints;

/// <summary>What every format demands of the names that are written.</summary>
internal static class TensorNames
{
    /// <exception cref="CheckpointException">Two tensors have one name.</exception>
    public static void RequireDistinct(IEnumerable<TensorSource> tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in tensors)
        {
            if (!names.Add(tensor.Info.Name))
                throw new CheckpointException($"Two tensors are called \"{tensor.Info.Name}\"; names must be distinct");
        }
    }

    /// <summary>A lone surrogate would be replaced silently.</summary>
    /// <exception cref="CheckpointException">The text has one.</exception>
    public static void RequireUnicode(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                throw new CheckpointException($"A name or metadata text is not valid Unicode at character {i}; no checkpoint can hold it");
            i++;
        }
    }
}
