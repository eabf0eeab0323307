namespace Frostline.Checkpoints;

/// <summary>The format of a checkpoint file, told from its content.</summary>
public enum CheckpointFormat
{
    /// <summary>safetensors: a JSON header and raw little-endian data.</summary>
    Safetensors,

    /// <summary>What <c>torch.save</c> writes since PyTorch 1.6: a zip archive of a pickle and one entry a storage.</summary>
    PyTorchZip,

    /// <summary>What <c>torch.save</c> wrote before: several pickles, then the storages.</summary>
    PyTorchLegacy,

    /// <summary>Several safetensors files and a JSON index that says which of them each tensor is in, as Hugging Face writes them.</summary>
    SafetensorsSharded,

    /// <summary>A zip archive of NumPy's arrays, as <c>np.savez</c> and <c>np.savez_compressed</c> write it.</summary>
    Npz,

    /// <summary>One array, as <c>np.save</c> writes it.</summary>
    Npy,

    /// <summary>An ONNX model: its initialisers and constants.</summary>
    Onnx,

    /// <summary>What <c>torch.save</c> of PyTorch 0.1 wrote: a tar archive.</summary>
    PyTorchTar,

    /// <summary>What <c>torch.jit.save</c> writes: a zip archive of a module's attributes and code, of which the code is not looked at.</summary>
    TorchScript,

    /// <summary>What <c>Module.save</c> and <c>Tensor.Save</c> of TorchSharp write, usually as <c>.dat</c>.</summary>
    TorchSharp,
}
