using System.Globalization;
using System.Text;

namespace Frostline.Checkpoints;

/// <summary>
/// Writes PyTorch files (<c>.pth</c>, <c>.pt</c>) for <c>torch.load</c>, which gives an <c>OrderedDict</c> of tensors, and accepts them with
/// <c>weights_only=True</c>. They are laid out as PyTorch 2 lays them out: a zip archive of stored entries, every storage at a
/// multiple of 64 bytes, with the records <c>.format_version</c>, <c>.storage_alignment</c>, <c>byteorder</c>, <c>version</c> and
/// <c>.data/serialization_id</c>. Equal input gives equal bytes. Each tensor has a storage of its own, even where two were tied.
/// </summary>
/// <remarks>
/// Unsigned integers of more than 8 bits and 8-bit floats need PyTorch 2.3 or newer; everything else is read from 1.6 on. The
/// serialization id is 40 digits made of names and checksums, as PyTorch's, but by other hash functions.
/// </remarks>
public static class PyTorchWriter
{
    private const string Folder = "archive";

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="tensors">The tensors; each is asked for its bytes once, in this order.</param>
    /// <exception cref="CheckpointException">
    /// Two tensors have one name, a name is not valid Unicode, the names and shapes take more than
    /// <see cref="CheckpointLimits.PickleBytes"/>, or a tensor writes more or fewer bytes than it has.
    /// </exception>
    public static void Write(string path, IReadOnlyList<TensorSource> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        // Names are checked before the file is touched.
        var pickle = Pickle(tensors);
        AtomicFile.Write(path, stream => Write(stream, pickle, tensors));
    }

    /// <summary>Writes to a stream.</summary>
    /// <param name="stream">Takes the file's bytes; it need not seek.</param>
    /// <param name="tensors">As in <see cref="Write(string, IReadOnlyList{TensorSource})"/>.</param>
    /// <exception cref="CheckpointException">As there.</exception>
    public static void Write(Stream stream, IReadOnlyList<TensorSource> tensors)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        Write(stream, Pickle(tensors), tensors);
    }

    private static ReadOnlyMemory<byte> Pickle(IReadOnlyList<TensorSource> tensors)
    {
        TensorNames.RequireDistinct(tensors);
        foreach (var tensor in tensors) TensorNames.RequireUnicode(tensor.Info.Name);
        var pickle = StateDictPickle.Write(tensors);
        if (pickle.Length > CheckpointLimits.PickleBytes)
        {
            throw new CheckpointException(
                $"Names and shapes take {pickle.Length} bytes; the limit for a PyTorch file is {CheckpointLimits.PickleBytes}: write safetensors");
        }

        return pickle;
    }

    private static void Write(Stream stream, ReadOnlyMemory<byte> pickle, IReadOnlyList<TensorSource> tensors)
    {
        var zip = new ZipWriter(stream);
        zip.Add($"{Folder}/data.pkl", pickle.Span);
        zip.Add($"{Folder}/.format_version", "1"u8);
        zip.Add($"{Folder}/.storage_alignment", Encoding.ASCII.GetBytes(ZipWriter.Alignment.ToString(CultureInfo.InvariantCulture)));
        zip.Add($"{Folder}/byteorder", "little"u8);
        for (var i = 0; i < tensors.Count; i++)
            zip.Add(string.Create(CultureInfo.InvariantCulture, $"{Folder}/data/{i}"), tensors[i]);
        zip.Add($"{Folder}/version", "3\n"u8);
        var (names, contents) = zip.Digest();
        zip.Add($"{Folder}/.data/serialization_id", Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{names:D20}{contents:D20}")));
        zip.Finish();
    }
}
