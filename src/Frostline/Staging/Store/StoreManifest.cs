using System.IO.Hashing;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Frostline.Checkpoints;

namespace Frostline.Staging;

/// <summary>
/// A store's <c>manifest.json</c>: the version of the format, the identity, what people should know, and the schema. Its last value,
/// <c>check</c>, is the XXH128 of the file with zeros in the place of its own digits.
/// </summary>
internal sealed record StoreManifest(string Identity, FeatureSchema Schema, IReadOnlyDictionary<string, string> Description)
{
    /// <summary>The version that this code writes, and the only one that it reads.</summary>
    public const int Format = 1;

    private const int Digits = 32;
    private const int MostBytes = 1 << 24;

    private static readonly string s_noCheck = new('0', Digits);

    private static readonly JsonWriterOptions s_options = new()
    {
        Indented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The seed of the checks in the store's indices.</summary>
    public long Seed => Schema.SeedFor(Identity);

    /// <summary>Reads a folder's manifest; null where there is none, or where it is damaged.</summary>
    /// <exception cref="FeatureStoreException">It is whole and of another version.</exception>
    public static StoreManifest? TryRead(string folder)
    {
        var path = Path.Combine(folder, StoreFiles.Manifest);
        if (!File.Exists(path) || new FileInfo(path).Length > MostBytes) return null;
        var bytes = File.ReadAllBytes(path);
        if (!IsWhole(bytes)) return null;
        try
        {
            using var document = JsonDocument.Parse(bytes);
            return Parse(path, document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            // Whole by its check, but not written by this format's rules: as good as damaged.
            return null;
        }
    }

    public void Write(string folder) => AtomicFile.Write(Path.Combine(folder, StoreFiles.Manifest), stream => stream.Write(ToBytes()));

    private byte[] ToBytes()
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, s_options)) WriteTo(writer);
        buffer.WriteByte((byte)'\n');
        var bytes = buffer.ToArray();
        var place = bytes.AsSpan().LastIndexOf(Encoding.ASCII.GetBytes(s_noCheck));
        Encoding.ASCII.GetBytes(CheckOf(bytes), bytes.AsSpan(place));
        return bytes;
    }

    private void WriteTo(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteNumber("format", Format);
        writer.WriteString("identity", Identity);
        writer.WriteStartObject("description");
        foreach (var (name, value) in Description.OrderBy(pair => pair.Key, StringComparer.Ordinal)) writer.WriteString(name, value);
        writer.WriteEndObject();
        writer.WriteStartArray("tensors");
        foreach (var tensor in Schema.Tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name", tensor.Name);
            writer.WriteString("type", tensor.Type.ToString());
            writer.WriteStartArray("shape");
            foreach (var size in tensor.Shape) writer.WriteNumberValue(size);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteString("check", s_noCheck);
        writer.WriteEndObject();
    }

    private static StoreManifest Parse(string path, JsonElement root)
    {
        var format = root.GetProperty("format").GetInt32();
        if (format != Format)
        {
            throw new FeatureStoreException(
                $"{path}: is of format {format}, and this version reads {Format}; update, or give another location");
        }

        var description = root.GetProperty("description").EnumerateObject()
            .ToDictionary(pair => pair.Name, pair => pair.Value.GetString() ?? "", StringComparer.Ordinal);
        var tensors = root.GetProperty("tensors").EnumerateArray().Select(tensor => new TensorInfo(
            tensor.GetProperty("name").GetString() ?? "",
            Enum.Parse<TensorType>(tensor.GetProperty("type").GetString() ?? ""),
            [.. tensor.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())]));
        return new StoreManifest(root.GetProperty("identity").GetString() ?? "", new FeatureSchema([.. tensors]), description);
    }

    private static bool IsWhole(byte[] bytes)
    {
        // The digits are the last string of the file: "check": "…"
        var end = bytes.AsSpan().LastIndexOf((byte)'"');
        if (end < Digits) return false;
        var digits = bytes.AsSpan(end - Digits, Digits);
        var check = Encoding.ASCII.GetString(digits);
        digits.Fill((byte)'0');
        return CheckOf(bytes) == check;
    }

    private static string CheckOf(byte[] bytes) => Convert.ToHexStringLower(XxHash128.Hash(bytes));
}
