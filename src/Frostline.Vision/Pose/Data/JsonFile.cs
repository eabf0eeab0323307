using System.Text.Json;
using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>
/// A JSON file of long lists, such as annotations of hundred thousand images. The file's bytes are held in memory, and of the values in them only
/// one element of a list at a time.
/// </summary>
internal sealed class JsonFile
{
    private const string Root = "";

    private readonly byte[] _bytes;
    private readonly Dictionary<string, (int Start, int Length)> _lists = new(StringComparer.Ordinal);

    private JsonFile(string path, byte[] bytes) => (Path, _bytes) = (path, bytes);

    /// <summary>The file's path, for messages.</summary>
    public string Path { get; }

    /// <summary>Whether the file is one list, without an object around it.</summary>
    public bool IsList => _lists.ContainsKey(Root);

    /// <summary>Reads a file and looks where its lists are.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FrostlineException">It is missing, cannot be read, or is no JSON.</exception>
    public static JsonFile Open(string path)
    {
        var file = new JsonFile(path, PictureFiles.ReadAll(path));
        try
        {
            file.FindLists();
            return file;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            var place = error is JsonException { LineNumber: { } line } ? FormattableString.Invariant($" (line {line + 1})") : "";
            throw new FrostlineException($"{path} is not valid JSON{place}; give a file of annotations, and download a damaged one again", error);
        }
    }

    /// <summary>Whether the file has a list of a name.</summary>
    public bool Has(string list) => _lists.ContainsKey(list);

    /// <summary>Visits the elements of a list.</summary>
    /// <param name="list">The list's key in the file's object.</param>
    /// <param name="visit">Is given each element, which is gone afterwards, and its index.</param>
    /// <exception cref="FrostlineException">There is no such list.</exception>
    public void ForEach(string list, Action<JsonElement, int> visit)
    {
        if (!_lists.TryGetValue(list, out var place))
            throw new FrostlineException($"{Path} has no list \"{list}\"; give a file of annotations in the format that the data set reads");
        Visit(place, visit);
    }

    /// <summary>Visits the elements of a file that is one list.</summary>
    /// <exception cref="FrostlineException">It is none.</exception>
    public void ForEach(Action<JsonElement, int> visit)
    {
        if (!IsList) throw new FrostlineException($"{Path} is not a list; detections are [ {{ \"image_id\": …, \"bbox\": …, \"score\": … }}, … ]");
        Visit(_lists[Root], visit);
    }

    private void Visit((int Start, int Length) place, Action<JsonElement, int> visit)
    {
        var reader = new Utf8JsonReader(_bytes.AsSpan(place.Start, place.Length));
        reader.Read();
        for (var index = 0; reader.Read() && reader.TokenType != JsonTokenType.EndArray; index++)
        {
            using var element = JsonDocument.ParseValue(ref reader);
            visit(element.RootElement, index);
        }
    }

    private void FindLists()
    {
        var start = _bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? 3 : 0;
        var reader = new Utf8JsonReader(_bytes.AsSpan(start));
        reader.Read();
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            Note(Root, ref reader);
        }
        else if (reader.TokenType == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.GetString()!;
                reader.Read();
                if (reader.TokenType == JsonTokenType.StartArray) Note(name, ref reader);
                else reader.Skip();
            }
        }

        // Whatever follows the value is an error, and only a further read finds it.
        while (reader.Read()) reader.Skip();

        void Note(string name, ref Utf8JsonReader at)
        {
            var from = (int)at.TokenStartIndex;
            at.Skip();
            _lists[name] = (start + from, (int)at.BytesConsumed - from);
        }
    }
}
