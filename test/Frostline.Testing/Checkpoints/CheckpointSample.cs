using Frostline.Checkpoints;

namespace Frostline.Testing.Checkpoints;

/// <summary>A small file that readers are tested with by damaging it.</summary>
/// <param name="Name">What it is, for test names and command lines.</param>
/// <param name="Format">Its format.</param>
/// <param name="Content">The bytes that are damaged.</param>
/// <param name="Wrap">
/// Makes the file from them, with checksums that are right again, so that damage inside a container gets past them; null where
/// they are the file.
/// </param>
/// <param name="Siblings">The files that have to lie beside it.</param>
public sealed record CheckpointSample(
    string Name,
    CheckpointFormat Format,
    byte[] Content,
    Func<byte[], byte[]>? Wrap = null,
    IReadOnlyList<(string Name, byte[] Bytes)>? Siblings = null)
{
    /// <summary>The file whose content is given.</summary>
    public byte[] File(byte[] content) => Wrap is null ? content : Wrap(content);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
