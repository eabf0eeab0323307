using Frostline.Native;
using Frostline.Testing;
using Xunit;

[assembly: AssemblyFixture(typeof(CacheFolder))]

namespace Frostline.Cli.Tests;

/// <summary>Loads libtorch once for the tests that need it.</summary>
public sealed class LibTorchFixture
{
    public LibTorchFixture() => NativeRuntime.Load();
}

[CollectionDefinition(LibTorchCollection.Name)]
public sealed class LibTorchTests : ICollectionFixture<LibTorchFixture>;
