using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;

namespace Frostline.Native;

/// <summary>An input of a node of libtorch's gradient graph.</summary>
/// <param name="Node">The node that computed it; zero where it needs no gradient.</param>
/// <param name="Output">Which of that node's outputs it is.</param>
internal readonly record struct AutogradEdge(nint Node, int Output);

/// <summary>
/// Reads libtorch's gradient graph (<c>torch::autograd::Node</c>), which TorchSharp does not show: through two functions that libtorch
/// exports, and through two fields that it does not. Where in a node those fields lie is measured at first use on graphs whose shape is
/// known (<see cref="AutogradCalibration"/>), so a libtorch that lays nodes out otherwise is recognised, or refused, and never misread.
/// All memory is read through <see cref="ProcessMemory"/>. Linux x64 only.
/// </summary>
internal sealed class AutogradNodes
{
    /// <summary>More inputs than an operation has; a larger number is no list of edges.</summary>
    private const int MostEdges = 1 << 20;

    // An edge is a std::shared_ptr (two words) and a 32-bit number, aligned to words.
    private const int EdgeBytes = 24;

    private static readonly Lazy<(AutogradNodes? Nodes, string? Reason)> s_current = new(CreateForThisProcess);

    private readonly AutogradExports _exports;
    private readonly ProcessMemory _memory;
    private readonly Dictionary<nint, string> _names = [];
    private readonly Lock _lock = new();

    internal AutogradNodes(AutogradExports exports, ProcessMemory memory) => (_exports, _memory) = (exports, memory);

    /// <summary>The reader of this process, calibrated.</summary>
    /// <exception cref="PlatformNotSupportedException">Another system, or a libtorch whose nodes are laid out in an unknown way.</exception>
    internal static AutogradNodes Current =>
        s_current.Value.Nodes ?? throw new PlatformNotSupportedException(
            $"gradient graphs cannot be read here: {s_current.Value.Reason}; they need Linux x64 and the libtorch of TorchSharp 0.107");

    /// <summary>Where in a node the vector of its edges begins, in bytes.</summary>
    internal int EdgesOffset { get; set; }

    /// <summary>Where in an AccumulateGrad node the address of its variable's TensorImpl lies, in bytes.</summary>
    internal int VariableOffset { get; set; }

    /// <summary>The first word of every AccumulateGrad node, the address of its table of virtual functions.</summary>
    internal nint AccumulatorType { get; set; }

    /// <summary>Makes and calibrates a reader; or says in a few words why there is none.</summary>
    /// <param name="library">The file name of the library that exports the functions.</param>
    /// <param name="openMemory">Opens the memory.</param>
    internal static (AutogradNodes? Nodes, string? Reason) Create(string library, Func<ProcessMemory?> openMemory)
    {
        if (AutogradExports.TryLoad(library) is not { } exports) return (null, $"{library} does not export what is needed");
        if (openMemory() is not { } memory) return (null, "the system does not let a process read /proc/self/mem");
        var nodes = new AutogradNodes(exports, memory);
        string? reason = null;

        // A thread of its own: no scope, gradient mode or inference mode of the caller reaches it.
        var thread = new Thread(() => reason = AutogradCalibration.Run(nodes));
        thread.Start();
        thread.Join();
        if (reason is null) return (nodes, null);
        memory.Dispose();
        return (null, reason);
    }

    private static (AutogradNodes?, string?) CreateForThisProcess() =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64
            ? Create("libtorch_cpu.so", ProcessMemory.TryOpen)
            : (null, $"this is {RuntimeInformation.RuntimeIdentifier}");

    /// <summary>
    /// The node that computed a tensor and which of its outputs the tensor is; no node where the tensor needs no gradient. The tensor has
    /// to stay alive, and unchanged in place, while nodes are used: see <see cref="AutogradHold"/>, which provides that.
    /// </summary>
    internal AutogradEdge FirstInput(torch.Tensor tensor) => Edges(NodeOf(tensor)) is [var first] ? first : default;

    /// <summary>The node that computed a tensor, or zero.</summary>
    internal nint NodeOf(torch.Tensor tensor)
    {
        var shared = _exports.GradFn(tensor.Handle);
        GC.KeepAlive(tensor);
        return Word(shared);
    }

    /// <summary>The address of the TensorImpl behind a handle; equal for all handles of one tensor.</summary>
    internal nint ImplementationOf(torch.Tensor tensor)
    {
        var implementation = Word(tensor.Handle);
        GC.KeepAlive(tensor);
        return implementation;
    }

    /// <summary>A node's inputs, in the order of the operation's arguments.</summary>
    /// <exception cref="InvalidOperationException">The memory holds no list of edges: a node that is no longer alive.</exception>
    internal AutogradEdge[] Edges(nint node)
    {
        if (TryEdges(node, EdgesOffset) is { } edges) return edges;
        throw new InvalidOperationException("a node of a gradient graph could not be read; was the tensor changed while its graph was walked?");
    }

    /// <summary>The same at any offset, or null where no list of edges can lie there.</summary>
    internal AutogradEdge[]? TryEdges(nint node, int offset)
    {
        if (_memory.Words(node + offset, 3) is not [var begin, var end, var limit]) return null;
        var bytes = end - begin;
        if (bytes < 0 || limit < end || bytes % EdgeBytes != 0 || bytes / EdgeBytes > MostEdges) return null;
        var words = _memory.Words(begin, (int)bytes / nint.Size);
        if (words.Length * nint.Size != bytes) return null;
        var edges = new AutogradEdge[bytes / EdgeBytes];
        for (var i = 0; i < edges.Length; i++) edges[i] = new AutogradEdge(words[3 * i], (int)(words[(3 * i) + 2] & 0x7FFF_FFFF));
        return edges;
    }

    /// <summary>Whether a node is a leaf: it adds what arrives to its variable's gradient.</summary>
    internal bool IsAccumulator(nint node) => Word(node) == AccumulatorType;

    /// <summary>The address of the TensorImpl of an AccumulateGrad node's variable.</summary>
    internal nint VariableOf(nint accumulator) => Word(accumulator + VariableOffset);

    /// <summary>The first words of a node, as many as can be read.</summary>
    internal nint[] Words(nint node, int count) => _memory.Words(node, count);

    /// <summary>The operation's name as PyTorch prints it: the type without its namespace.</summary>
    internal string NameOf(nint node)
    {
        var type = Word(node);
        lock (_lock)
        {
            if (_names.TryGetValue(type, out var known)) return known;
            return _names[type] = WithoutNamespace(_exports.Name(node, _memory));
        }
    }

    internal static string WithoutNamespace(string name)
    {
        var template = name.IndexOf('<');
        var end = template < 0 ? name.Length : template;
        var separator = end < 2 ? -1 : name.LastIndexOf("::", end - 1, StringComparison.Ordinal);
        return separator < 0 ? name : name[(separator + 2)..];
    }

    private nint Word(nint address) => _memory.Words(address, 1) is [var word] ? word : 0;
}

/// <summary>The functions of libtorch that TorchSharp does not wrap, as GCC spells them.</summary>
internal sealed class AutogradExports
{
    // const std::shared_ptr<Node>& at::TensorBase::grad_fn() const
    private const string GradFnSymbol = "_ZNK2at10TensorBase7grad_fnEv";

    // std::string torch::autograd::Node::name() const
    private const string NameSymbol = "_ZNK5torch8autograd4Node4nameB5cxx11Ev";

    // operator delete(void*), by which a long std::string is freed
    private const string DeleteSymbol = "_ZdlPv";

    // A std::string of libstdc++: address, length, and 16 bytes that hold a short text or a long one's capacity.
    private const int StringBytes = 32;
    private const int ShortText = 16;
    private const int LongestName = 1 << 16;

    private readonly nint _gradFn;
    private readonly nint _name;
    private readonly nint _delete;

    private AutogradExports(nint gradFn, nint name, nint delete) => (_gradFn, _name, _delete) = (gradFn, name, delete);

    /// <summary>Finds them in a library that is loaded; null where one is missing.</summary>
    internal static AutogradExports? TryLoad(string library) =>
        NativeLibrary.TryLoad(library, out var torch)
            && NativeLibrary.TryLoad("libstdc++.so.6", out var standard)
            && NativeLibrary.TryGetExport(torch, GradFnSymbol, out var gradFn)
            && NativeLibrary.TryGetExport(torch, NameSymbol, out var name)
            && NativeLibrary.TryGetExport(standard, DeleteSymbol, out var delete)
            ? new AutogradExports(gradFn, name, delete)
            : null;

    /// <summary>The address of the shared pointer to the node that computed a tensor.</summary>
    internal unsafe nint GradFn(nint tensor) => ((delegate* unmanaged<nint, nint>)_gradFn)(tensor);

    /// <summary>The type of a node, with its namespace.</summary>
    internal unsafe string Name(nint node, ProcessMemory memory)
    {
        // The string refers to its own bytes where it is short, so it must not move: the stack.
        var text = stackalloc byte[StringBytes];
        new Span<byte>(text, StringBytes).Clear();
        ((delegate* unmanaged<nint, nint, nint>)_name)((nint)text, node);
        var (address, length) = (*(nint*)text, *(nint*)(text + nint.Size));
        if (length is < 0 or > LongestName) return "";
        var bytes = new byte[length];
        var name = memory.TryRead(address, bytes) ? Encoding.ASCII.GetString(bytes) : "";
        if (address != (nint)text + ShortText) ((delegate* unmanaged<nint, void>)_delete)(address);
        return name;
    }
}

/// <summary>
/// Keeps a tensor's gradient graph alive and unchanged while it is read: a view of the tensor, made here and known to nobody else,
/// whose node holds the tensor's own node. It also does, where failing is an exception, what <c>grad_fn</c> would do where
/// failing ends the process: bring the node of a view whose base was changed in place up to date.
/// </summary>
internal sealed class AutogradHold : IDisposable
{
    private readonly torch.Tensor _view;

    /// <summary>Takes hold of a tensor that requires a gradient, of any layout; allocates no elements.</summary>
    internal AutogradHold(torch.Tensor tensor)
    {
        // Gradients are recorded within, whatever scope the caller is in.
        using var recording = torch.inference_mode(false);
        _view = tensor.unsqueeze(0);
    }

    /// <summary>The node that computed the tensor, and which of its outputs the tensor is.</summary>
    internal AutogradEdge Root(AutogradNodes nodes) => nodes.FirstInput(_view);

    /// <inheritdoc/>
    public void Dispose() => _view.Dispose();
}
