using Xunit;

namespace Frostline.Cli.Tests.Architecture;

/// <summary>The direction of dependencies: Cli -> Vision -> Training -> Frostline -> TorchSharp.</summary>
public sealed class ArchitectureTests
{
    private const string Core = "Frostline.Core";
    private const string Torch = "TorchSharp";

    // From the bottom to the top; an assembly may refer only to those before it.
    private static readonly string[] s_layers = [Core, "Frostline.Training", "Frostline.Vision", "frostline"];

    [Fact]
    public void Assemblies_refer_only_downwards()
    {
        for (var layer = 0; layer < s_layers.Length; layer++)
        {
            using var assembly = Open(s_layers[layer]);
            Assert.Empty(assembly.Assemblies.Intersect(s_layers[layer..], StringComparer.Ordinal));
        }
    }

    [Fact]
    public void No_library_refers_to_the_console()
    {
        foreach (var layer in s_layers[..^1])
        {
            using var assembly = Open(layer);
            Assert.DoesNotContain(assembly.Assemblies, name => name is "Spectre.Console" or "System.CommandLine");
        }
    }

    [Theory]
    [InlineData("Frostline.Checkpoints")]
    [InlineData("Frostline.Selection")]
    public void Rooms_that_work_on_descriptors_reach_no_TorchSharp(string room)
    {
        using var assembly = Open(Core);
        var types = assembly.Types();
        var ways = types.Keys.Where(type => type.Namespace == room).ToDictionary(type => type, type => type.ToString());
        Assert.NotEmpty(ways);
        var open = new Queue<TypeName>(ways.Keys);
        while (open.TryDequeue(out var type))
        {
            foreach (var target in types[type])
            {
                Assert.False(target.Assembly == Torch, $"{ways[type]} -> {target}");
                if (types.ContainsKey(target) && ways.TryAdd(target, $"{ways[type]} -> {target}")) open.Enqueue(target);
            }
        }
    }

    [Fact]
    public void References_in_code_are_seen()
    {
        // A walk that missed code would find everything clean.
        using var assembly = Open(Core);
        var native = Assert.Single(assembly.Types(), pair => pair.Key.ToString() == "Frostline.Native.NativeRuntime");
        Assert.Contains(native.Value, target => target.Assembly == Torch);
        Assert.Contains(native.Value, target => target.ToString() == "Frostline.Native.Allocator");
    }

    [Fact]
    public void Native_code_is_called_only_from_Native()
    {
        foreach (var layer in s_layers)
        {
            using var assembly = Open(layer);
            Assert.All(assembly.TypesWithNativeMethods, type => Assert.Equal("Frostline.Native", type.Namespace));
            const string loader = "System.Runtime.InteropServices.NativeLibrary";
            var loaders = assembly.Types().Where(pair => pair.Value.Any(type => type.ToString() == loader));
            Assert.All(loaders, pair => Assert.Equal("Frostline.Native", pair.Key.Namespace));
        }
    }

    private static AssemblyReferences Open(string name) => new(Path.Combine(AppContext.BaseDirectory, $"{name}.dll"));
}
