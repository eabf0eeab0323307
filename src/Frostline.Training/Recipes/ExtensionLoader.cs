using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.Loader;
using Frostline.Training.Registration;

namespace Frostline.Training.Recipes;

/// <summary>
/// Loads the assemblies that a recipe lists. Each lives in a load context of its own, with its own dependencies beside it; what
/// the host has (Frostline, TorchSharp, …) is shared, so that its types are the same ones.
/// </summary>
internal static class ExtensionLoader
{
    // An assembly stays loaded: recipes of one process that name the same file share its types.
    private static readonly ConcurrentDictionary<string, Assembly> Loaded = new(StringComparer.Ordinal);

    /// <summary>Adds to a registry what an assembly brings.</summary>
    /// <param name="written">The path as the recipe says it.</param>
    /// <param name="folder">The recipe's folder.</param>
    /// <param name="position">Where the recipe says it.</param>
    /// <param name="registry">What it is added to.</param>
    /// <exception cref="RecipeException">
    /// The file is missing, no assembly, or brings no extension that can be created.
    /// </exception>
    public static void Load(string written, string folder, RecipePosition position, Registry registry)
    {
        RecipeException Error(string reason, Exception? inner = null) => new(position, $"\"{written}\" {reason}", inner);
        string path;
        try
        {
            path = Path.GetFullPath(written, folder);
        }
        catch (ArgumentException exception)
        {
            throw Error("is no path", exception);
        }

        if (!File.Exists(path)) throw Error($"is missing; relative paths count from {folder}");
        try
        {
            var assembly = Loaded.GetOrAdd(path, static file => new Context(file).LoadFromAssemblyPath(file));
            var extensions = assembly.GetExportedTypes()
                .Where(type => type is { IsAbstract: false, IsClass: true } && type.IsAssignableTo(typeof(IFrostlineExtension)))
                .OrderBy(type => type.FullName, StringComparer.Ordinal)
                .ToList();
            if (extensions.Count == 0) throw Error($"has no public class that implements {nameof(IFrostlineExtension)}");
            foreach (var type in extensions)
            {
                if (type.GetConstructor(Type.EmptyTypes) is null)
                    throw Error($"has an extension without a public parameterless constructor: {type.FullName}");
                registry.Add((IFrostlineExtension)Activator.CreateInstance(type)!);
            }
        }
        catch (BadImageFormatException exception)
        {
            throw Error("is no .NET assembly", exception);
        }
        catch (TargetInvocationException exception)
        {
            var cause = exception.InnerException!;
            throw Error($"cannot be used: its extension's constructor throws {cause.GetType().Name}: {OneLine(cause.Message)}", exception);
        }
        catch (Exception exception) when (exception
            is FileLoadException or FileNotFoundException or TypeLoadException or MissingMemberException or UnauthorizedAccessException)
        {
            throw Error($"cannot be loaded: {OneLine(exception.Message)}", exception);
        }
        catch (FrostlineException exception) when (exception is not RecipeException)
        {
            throw Error($"cannot be used: {exception.Message}", exception);
        }
    }

    private static string OneLine(string message) => message.ReplaceLineEndings(" ").Trim();

    private sealed class Context(string path) : AssemblyLoadContext(Path.GetFileNameWithoutExtension(path))
    {
        private readonly AssemblyDependencyResolver _resolver = new(path);

        protected override Assembly? Load(AssemblyName assemblyName)
        {
            if (SharedWithHost(assemblyName) is { } shared) return shared;
            return _resolver.ResolveAssemblyToPath(assemblyName) is { } file ? LoadFromAssemblyPath(file) : null;
        }

        protected override IntPtr LoadUnmanagedDll(string unmanagedDllName) =>
            _resolver.ResolveUnmanagedDllToPath(unmanagedDllName) is { } file ? LoadUnmanagedDllFromPath(file) : IntPtr.Zero;

        private static Assembly? SharedWithHost(AssemblyName name)
        {
            try
            {
                return Default.LoadFromAssemblyName(name);
            }
            catch (Exception exception) when (exception is FileNotFoundException or FileLoadException)
            {
                // The host lacks it, or has an older one: the extension brings its own.
                return null;
            }
        }
    }
}
