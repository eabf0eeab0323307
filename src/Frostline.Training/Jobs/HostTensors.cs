using Frostline.Modules;
using Frostline.Training.Data;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>Makes tensors of a batch that the loader's threads left in managed memory.</summary>
public static class HostTensors
{
    /// <summary>Copies all fields of a batch to the device.</summary>
    /// <param name="batch">The batch; it may be disposed right afterwards.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <returns>The tensors by the fields' names, owned by the caller's dispose scope.</returns>
    public static Dictionary<string, torch.Tensor> Of(HostBatch batch, torch.Device device)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(device);
        return Of(batch.Fields, device);
    }

    /// <summary>Copies fields to the device; as of the other overload.</summary>
    internal static Dictionary<string, torch.Tensor> Of(IReadOnlyDictionary<string, SampleTensor> fields, torch.Device device)
    {
        var tensors = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        foreach (var (name, field) in fields)
        {
            var tensor = torch.empty([.. field.Shape], TensorBytes.ToScalarType(field.Type), torch.CPU);
            TensorBytes.Write(tensor, BytesOf(field.Values));
            tensors[name] = device.type == DeviceType.CPU ? tensor : tensor.to(device, disposeAfter: true);
        }

        return tensors;
    }

    private static ReadOnlySpan<byte> BytesOf(Array values) => values switch
    {
        float[] floats => System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(floats),
        long[] longs => System.Runtime.InteropServices.MemoryMarshal.AsBytes<long>(longs),
        byte[] bytes => bytes,
        _ => throw new ArgumentException($"fields of {values.GetType().Name} cannot become tensors", nameof(values)),
    };
}
