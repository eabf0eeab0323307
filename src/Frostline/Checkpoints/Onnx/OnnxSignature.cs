namespace Frostline.Checkpoints;

/// <summary>
/// Tells whether a file is an ONNX model. It has no magic number, so this asks for the fields that every model has: an IR version, and a
/// graph whose first field is one of a graph's, with only fields of a model before them, each of the right kind. What follows is not
/// looked at, so that a damaged model is still told from something else.
/// </summary>
internal static class OnnxSignature
{
    // Before the graph lie few fields: the producer, operator sets, sometimes metadata.
    private const int MostFields = 256;
    private const int MostVersion = 1000;

    public static bool Matches(ByteSource bytes)
    {
        using var lease = bytes.Lease();
        try
        {
            return Matches(bytes, lease);
        }
        catch (CheckpointException)
        {
            return false;
        }
    }

    private static bool Matches(ByteSource bytes, ByteLease lease)
    {
        var reader = new ProtobufReader(bytes, lease, new ByteRange(0, bytes.Length));
        var (hasVersion, hasGraph) = (false, false);
        for (var i = 0; i < MostFields && !(hasVersion && hasGraph) && reader.Next(); i++)
        {
            switch (reader.Field)
            {
                case 1:
                    hasVersion = reader.ReadNumber() is > 0 and <= MostVersion;
                    if (!hasVersion) return false;
                    break;
                case 2 or 3 or 4 or 6: reader.ReadRange(); break;
                case 5: reader.ReadNumber(); break;
                case 7:
                    // It may be cut short, which is worth a message of its own.
                    hasGraph = Begins(bytes, lease, reader.ReadRangeOrRest(), IsOfGraph);
                    if (!hasGraph) return false;
                    break;
                case 8:
                    var set = reader.ReadRange();
                    if (set.Length > 0 && !Begins(bytes, lease, set, IsOfOperatorSet)) return false;
                    break;
                case 14:
                    if (!Begins(bytes, lease, reader.ReadRange(), IsOfEntry)) return false;
                    break;
                case 20 or 25 or 26:
                    if (!Begins(bytes, lease, reader.ReadRange(), (_, _) => true)) return false;
                    break;
                default: return false;
            }
        }

        return hasVersion && hasGraph;
    }

    private static bool IsOfGraph(int field, WireType wire) => wire == WireType.Length && field is 1 or 2 or 5 or (>= 10 and <= 16);

    private static bool IsOfOperatorSet(int field, WireType wire) => (field, wire) is (1, WireType.Length) or (2, WireType.Varint);

    private static bool IsOfEntry(int field, WireType wire) => wire == WireType.Length && field is 1 or 2;

    /// <summary>Whether a message begins with a whole field, one of those that it may have.</summary>
    private static bool Begins(ByteSource bytes, ByteLease lease, ByteRange message, Func<int, WireType, bool> isAllowed)
    {
        var reader = new ProtobufReader(bytes, lease, message);
        if (!reader.Next() || !isAllowed(reader.Field, reader.Wire)) return false;
        reader.Skip();
        return true;
    }
}
