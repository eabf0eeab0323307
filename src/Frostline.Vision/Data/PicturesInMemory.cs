using Frostline.Staging;
using Frostline.Training.Data;

namespace Frostline.Vision.Data;

/// <summary>A picture inside a larger array.</summary>
internal sealed record PictureInMemory(byte[] Content, int Offset, int Label, string Source);

/// <summary>Pictures of one size that lie, undecoded, in arrays.</summary>
internal sealed class PicturesInMemory(
    IReadOnlyList<PictureInMemory> pictures, ClassMap classes, int height, int width, int channels, bool planar)
    : IDataset
{
    public int Count => pictures.Count;

    public ClassMap? Classes => classes;

    public IReadOnlyList<int> LabelsOf(int index) => [pictures[index].Label];

    public string SourceOf(int index) => pictures[index].Source;

    public Sample Read(int index)
    {
        var picture = pictures[index];
        return Labelling.SampleOf(picture.Source, Unpack(picture), [picture.Label], classes);
    }

    public SampleContent? Open(int index)
    {
        var picture = pictures[index];
        var hash = new FeatureKeyBuilder()
            .Add(GetType().Module.ModuleVersionId.ToString()).Add(height).Add(width).Add(channels).Add(planar ? 1 : 0)
            .AddHash(FeatureKey.HashOf(Stored(picture))).Build().Value;
        return new SampleContent([hash], () => Read(index), () => Labelling.SampleOf(picture.Source, null, [picture.Label], classes));
    }

    private ReadOnlySpan<byte> Stored(PictureInMemory picture) => picture.Content.AsSpan(picture.Offset, height * width * channels);

    private ImageField Unpack(PictureInMemory picture)
    {
        var plane = height * width;
        var stored = Stored(picture);
        var pixels = GC.AllocateUninitializedArray<byte>(stored.Length);
        if (planar && channels > 1)
        {
            for (var c = 0; c < channels; c++)
                for (var i = 0; i < plane; i++) pixels[(i * channels) + c] = stored[(c * plane) + i];
        }
        else
        {
            stored.CopyTo(pixels);
        }

        return new ImageField(pixels, height, width, channels);
    }
}

/// <summary>Reads files of pictures whole.</summary>
internal static class PictureFiles
{
    /// <summary>The content of a file.</summary>
    /// <exception cref="FrostlineException">It is missing, cannot be read, or is larger than an array.</exception>
    public static byte[] ReadAll(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FrostlineException($"the file {path} does not exist", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new FrostlineException($"{path} cannot be read ({error.Message})", error);
        }
    }
}
