using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Frostline.Tests.Initialization;

/// <summary>Nothing but parameters of given names and sizes, all zero.</summary>
internal sealed class TableNetwork : nn.Module
{
    public TableNetwork(ScalarType type, params (string Name, long[] Shape)[] tables)
        : base(nameof(TableNetwork))
    {
        foreach (var (name, shape) in tables) register_parameter(name, new Parameter(zeros(shape, type)));
    }

    public double[] Values(string name) => [.. MemoryMarshal.Cast<byte, double>(Networks.Values(this)[name])];

    /// <summary>A checkpoint of float64 tensors with other values each.</summary>
    public static Checkpoint File(params (string Name, long[] Shape)[] tables)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [.. tables.Select((table, i) => TensorSource.From(
            new TensorInfo(table.Name, TensorType.Float64, table.Shape),
            MemoryMarshal.AsBytes<double>(Numbers(table.Shape.Aggregate(1L, (a, b) => a * b), i)).ToArray()))]);
        return Frostline.Checkpoints.Checkpoint.Open(stream.ToArray(), "tables.safetensors");
    }

    /// <summary>Numbers from -1 to 1 that look random.</summary>
    public static double[] Numbers(long count, int seed) => [.. Enumerable.Range(1, (int)count).Select(i => Math.Sin((i * 12.9898) + seed))];
}
