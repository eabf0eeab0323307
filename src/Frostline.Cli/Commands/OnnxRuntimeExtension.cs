using Frostline.OnnxRuntime;
using Frostline.Staging;
using Frostline.Training.Registration;

namespace Frostline.Cli.Commands;

/// <summary>Lets recipes name ONNX Runtime, which is a package apart.</summary>
internal sealed class OnnxRuntimeExtension : IFrostlineExtension
{
    public void Register(Registry registry) => registry.PrefixEngines.Register<NoOptions>(
        "onnxruntime", "ONNX Runtime, on the stages as an ONNX model in memory", (_, _) => new Factory());

    private sealed class Factory : PrefixEngineFactory
    {
        public override int Preference => 2;

        public override IPrefixEngine Create(PrefixEngineRequest request) => new OnnxRuntimeEngine(request.Prefix, request.ShapesOf(request.BatchSize));
    }
}
