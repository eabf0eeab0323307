using System.Runtime.InteropServices;

namespace Frostline.Autograd;

/// <summary>What libtorch, or Frostline in its stead, says of a computation that cannot be.</summary>
internal static class LibtorchErrors
{
    internal static bool IsOne(Exception error) => error is ExternalException or FrostlineException;

    /// <summary>The message without libtorch's stack trace.</summary>
    internal static string FirstLine(Exception error) => error.Message.Split('\n')[0].Trim();
}
