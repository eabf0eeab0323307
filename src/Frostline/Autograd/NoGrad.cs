namespace Frostline.Autograd;

/// <summary>
/// Within it, libtorch records no graph: <c>using var _ = NoGrad.Enter();</c>. A <c>ref struct</c>, because the switch belongs to
/// the thread: awaiting within the scope, or keeping it in a field, does not compile.
/// </summary>
public readonly ref struct NoGrad : IDisposable
{
    private readonly ThreadScope? _scope;

    private NoGrad(ThreadScope scope) => _scope = scope;

    /// <summary>Switches recording off on this thread until the scope is disposed; then it is as it was before.</summary>
    public static NoGrad Enter() => new(new ThreadScope(modes: null));

    /// <summary>Switches recording back to what it was; again, it does nothing.</summary>
    /// <exception cref="InvalidOperationException">Another thread than the one on which the scope began; nothing changed.</exception>
    public void Dispose() => _scope?.End();
}
