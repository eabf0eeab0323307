using System.Text;

namespace Frostline.Checkpoints;

/// <summary>Tells formats apart by content.</summary>
internal static class CheckpointFormats
{
    private const string Known = "Frostline reads safetensors, PyTorch files (.pth, .pt), NumPy's (.npz, .npy), ONNX and TorchSharp's (.dat)";

    /// <summary>Opens a checkpoint and takes over the bytes; they are released where that fails.</summary>
    public static Checkpoint Open(ByteSource bytes, string? key)
    {
        try
        {
            return Identify(bytes) switch
            {
                CheckpointFormat.Safetensors => SafetensorsCheckpoint.Open(bytes, key),
                CheckpointFormat.SafetensorsSharded => ShardedSafetensorsCheckpoint.Open(bytes, key),
                CheckpointFormat.Onnx => OnnxCheckpoint.Open(bytes, key),
                CheckpointFormat.PyTorchZip or CheckpointFormat.TorchScript => PyTorchZipCheckpoint.Open(bytes, key),
                CheckpointFormat.PyTorchTar => PyTorchTarCheckpoint.Open(bytes, key),
                CheckpointFormat.Npz => NumpyCheckpoint.OpenArchive(bytes, key),
                CheckpointFormat.Npy => NumpyCheckpoint.OpenArray(bytes, key),
                CheckpointFormat.TorchSharp => TorchSharpCheckpoint.Open(bytes, key),
                _ => PyTorchLegacyCheckpoint.Open(bytes, key),
            };
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <exception cref="CheckpointException">None of the formats; the message says what it looks like instead.</exception>
    public static CheckpointFormat Identify(ByteSource bytes)
    {
        if (bytes.Length == 0) throw bytes.Error("is empty; copy or download it again");
        if (SafetensorsHeader.Matches(bytes)) return CheckpointFormat.Safetensors;
        if (ZipDirectory.Matches(bytes))
        {
            var directory = ZipDirectory.Read(bytes);
            if (PyTorchZipCheckpoint.Identify(directory) is { } format) return format;
            if (NumpyCheckpoint.MatchesArchive(directory)) return CheckpointFormat.Npz;
            throw bytes.Error($"is a zip archive, but not one of torch.save or NumPy; {Known}");
        }

        if (NumpyCheckpoint.MatchesArray(bytes)) return CheckpointFormat.Npy;
        if (TarDirectory.Matches(bytes))
        {
            if (PyTorchTarCheckpoint.Matches(bytes)) return CheckpointFormat.PyTorchTar;
            throw bytes.Error("is a tar archive, but not one of PyTorch; unpack it first");
        }

        if (PyTorchLegacyCheckpoint.Matches(bytes)) return CheckpointFormat.PyTorchLegacy;
        if (SafetensorsIndex.Matches(bytes)) return CheckpointFormat.SafetensorsSharded;
        if (OnnxSignature.Matches(bytes)) return CheckpointFormat.Onnx;
        // Last, because it has no signature: only its sizes tell.
        if (TorchSharpCheckpoint.Matches(bytes)) return CheckpointFormat.TorchSharp;
        throw bytes.Error($"{Describe(bytes)}; {Known}");
    }

    /// <summary>What a file of none of the formats looks like.</summary>
    private static string Describe(ByteSource bytes)
    {
        using var lease = bytes.Lease();
        var start = lease.Slice(0, (int)Math.Min(bytes.Length, 512));
        var text = Encoding.Latin1.GetString(start).TrimStart();
        if (text.StartsWith("<!doctype", StringComparison.OrdinalIgnoreCase) || text.StartsWith("<html", StringComparison.OrdinalIgnoreCase))
            return "is a web page, not a checkpoint (a download that asked for a sign-in?)";
        if (text.StartsWith("version https://git-lfs", StringComparison.Ordinal))
            return "is a Git LFS pointer, not the file itself; run \"git lfs pull\"";
        if (start is [0x1f, 0x8b, ..]) return "is compressed with gzip; unpack it first";
        if (start is [0x89, (byte)'H', (byte)'D', (byte)'F', ..]) return "is an HDF5 file (Keras?), which is not supported";
        if (start.Length >= 262 && start.Slice(257, 5).SequenceEqual("ustar"u8)) return "is a damaged tar archive; copy or download it again";
        if (start is [0x80, >= 2 and <= 5, ..]) return "is a plain pickle, not a file of torch.save";
        if (TorchSharpIndex.Begins(bytes)) return "looks like a TorchSharp file that is damaged or cut short";
        return "is not a checkpoint of a known format";
    }
}
