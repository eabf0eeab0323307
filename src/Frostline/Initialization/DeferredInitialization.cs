using System.Reflection;
using System.Runtime.InteropServices;
using Frostline.Checkpoints;
using Frostline.Modules;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Initialization;

/// <summary>
/// Constructs networks without drawing values that are replaced at once. A constructor draws every parameter, which takes longer
/// than loading them; here parameters are constructed on PyTorch's meta device, with a shape only, as with
/// <c>torch.nn.utils.skip_init</c>. The plan that is applied next gives them memory and values.
/// </summary>
public static class DeferredInitialization
{
    private static readonly Lock s_lock = new();

    /// <summary>
    /// Constructs a network whose parameters have neither memory nor values until an <see cref="InitializationPlan"/> is applied to it or a
    /// <see cref="ModelFile"/> loaded into it; either has to decide every parameter, because there is none to keep. The running
    /// statistics of TorchSharp's norms have their values. A network that computes anything else when it is constructed (other
    /// buffers, tensors that are not registered) is constructed as always, with all of its values.
    /// </summary>
    /// <typeparam name="T">The network's type.</typeparam>
    /// <param name="constructor">
    /// Constructs the network; may be called twice. While it runs no other thread may create tensors: TorchSharp has one default device for all.
    /// </param>
    /// <returns>The network.</returns>
    public static T Construct<T>(Func<T> constructor)
        where T : torch.nn.Module
    {
        ArgumentNullException.ThrowIfNull(constructor);
        if (TryConstruct(constructor) is { } network)
        {
            if (SettleBuffers(network)) return network;
            network.Dispose();
        }

        return constructor();
    }

    /// <summary>Null where the constructor wants to know values.</summary>
    private static T? TryConstruct<T>(Func<T> constructor)
        where T : torch.nn.Module
    {
        lock (s_lock)
        {
            var device = torch.get_default_device();
            torch.set_default_device(torch.META);
            try
            {
                return constructor();
            }
            catch (ExternalException)
            {
                return null;
            }
            finally
            {
                torch.set_default_device(device);
            }
        }
    }

    /// <summary>Gives norms their statistics; false where something else lost the value that it was constructed with.</summary>
    private static bool SettleBuffers(torch.nn.Module network)
    {
        var tree = ModuleTree.Of(network);
        var norms = tree.Modules.Where(entry => entry.Module is BatchNorm or InstanceNorm).Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        var buffers = tree.DistinctTensors.Where(entry => entry.Kind == Selection.NodeKind.Buffer && DeferredTensor.IsDeferred(entry.Tensor)).ToList();
        if (!buffers.TrueForAll(entry => norms.Contains(entry.Owner) && ModuleTypes.IsStatistic(LocalName(entry)))) return false;
        var registered = tree.Tensors.Select(entry => entry.Tensor).ToHashSet<torch.Tensor>(ReferenceEqualityComparer.Instance);
        if (tree.Modules.Any(entry => HasOtherTensors(entry.Module, registered))) return false;
        foreach (var entry in buffers)
        {
            DeferredTensor.Materialize(entry.Tensor);
            var bytes = new byte[TensorBytes.Count(entry.Tensor)];
            if (LocalName(entry) == "running_var") FillOnes(bytes, TensorBytes.TypeOf(entry.Tensor));
            TensorBytes.Write(entry.Tensor, bytes);
        }

        return true;
    }

    private static void FillOnes(byte[] bytes, TensorType type)
    {
        var ones = new double[bytes.Length / type.Size()];
        Array.Fill(ones, 1);
        Elements.FromDouble(ones, type, bytes);
    }

    private static string LocalName(TensorEntry entry) => entry.Name[(entry.Name.LastIndexOf('.') + 1)..];

    /// <summary>Whether a module of somebody's own holds a tensor without memory that is not registered with it.</summary>
    private static bool HasOtherTensors(torch.nn.Module module, HashSet<torch.Tensor> registered)
    {
        for (var type = module.GetType(); type is not null && type.Assembly != typeof(torch).Assembly; type = type.BaseType)
        {
            const BindingFlags All = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
            foreach (var held in type.GetFields(All).SelectMany(field => TensorsIn(field.GetValue(module))))
                if (DeferredTensor.IsDeferred(held) && !registered.Contains(held)) return true;
        }

        return false;
    }

    private static IEnumerable<torch.Tensor> TensorsIn(object? value) => value switch
    {
        torch.Tensor tensor => [tensor],
        IEnumerable<torch.Tensor> tensors => tensors,
        _ => [],
    };
}
