using Frostline.Modules;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using TorchSharp;

namespace Frostline.OnnxRuntime;

/// <summary>Runs ONNX models on libtorch's tensors.</summary>
public static class OnnxSession
{
    /// <summary>Opens a model.</summary>
    /// <param name="model">The bytes of an ONNX model.</param>
    /// <param name="threads">How many threads.</param>
    /// <returns>The session; the caller disposes it.</returns>
    /// <exception cref="FrostlineException">ONNX Runtime refuses the model.</exception>
    public static InferenceSession Open(byte[] model, int threads)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        try
        {
            using var options = new SessionOptions
            {
                IntraOpNumThreads = threads,
                InterOpNumThreads = 1,
                GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
                LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
            };
            return new InferenceSession(model, options);
        }
        catch (OnnxRuntimeException error)
        {
            throw Refused(error);
        }
    }

    /// <summary>Computes all outputs of a model.</summary>
    /// <param name="session">The model.</param>
    /// <param name="inputs">Its inputs by name, float32 or float64 as the model says, on the processor; borrowed. More may be given.</param>
    /// <returns>New tensors by name, owned by the caller's dispose scope.</returns>
    /// <exception cref="FrostlineException">An input is missing, or ONNX Runtime refuses one.</exception>
    public static IReadOnlyDictionary<string, torch.Tensor> Run(InferenceSession session, IReadOnlyDictionary<string, torch.Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(inputs);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var given = new List<(string Name, OrtValue Value)>();
        try
        {
            foreach (var name in session.InputNames)
                given.Add((name, ValueOf(inputs.TryGetValue(name, out var tensor) ? tensor : throw new FrostlineException($"the model needs the input \"{name}\""))));
            using var options = new RunOptions();
            using var outputs = session.Run(options, [.. given.Select(input => input.Name)], [.. given.Select(input => input.Value)], session.OutputNames);
            var results = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
            for (var i = 0; i < outputs.Count; i++) results[session.OutputNames[i]] = scope.MoveToOuter(TensorOf(outputs[i]));
            return results;
        }
        catch (OnnxRuntimeException error)
        {
            throw Refused(error);
        }
        finally
        {
            foreach (var (_, value) in given) value.Dispose();
        }
    }

    /// <summary>A view of a tensor's memory, which is copied only where its elements do not lie row by row.</summary>
    private static unsafe OrtValue ValueOf(torch.Tensor tensor)
    {
        var rows = tensor.detach().contiguous();
        var type = rows.dtype switch
        {
            torch.ScalarType.Float32 => TensorElementType.Float,
            torch.ScalarType.Float64 => TensorElementType.Double,
            var other => throw new FrostlineException($"ONNX Runtime is given {other}; it reads Float32 and Float64 here"),
        };
        // libtorch's memory does not move; the tensor belongs to the scope, which outlives the run.
        fixed (byte* address = rows.bytes)
            return OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, type, rows.shape, (nint)address, TensorBytes.Count(rows));
    }

    private static torch.Tensor TensorOf(OrtValue value)
    {
        var info = value.GetTensorTypeAndShape();
        var result = torch.empty(info.Shape, info.ElementDataType == TensorElementType.Double ? torch.float64 : torch.float32);
        TensorBytes.Write(result, value.GetTensorMutableRawData());
        return result;
    }

    private static FrostlineException Refused(OnnxRuntimeException error) => new($"ONNX Runtime refuses: {error.Message.ReplaceLineEndings(" ")}", error);
}
