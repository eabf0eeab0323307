using Frostline.Testing;
using Frostline.Training.Registration;

namespace Frostline.Training.Tests.Jobs;

/// <summary>Options of <see cref="FaultyNetwork"/>.</summary>
public sealed class FaultyOptions
{
    /// <summary>What is wrong with it; default nothing.</summary>
    public Fault Fault { get; set; }
}

/// <summary>Names the network that is wired wrongly for recipes.</summary>
public sealed class FaultyExtension : IFrostlineExtension
{
    public void Register(Registry registry) => registry.Networks.Register<FaultyOptions>(
        "faulty", "wired wrongly", (options, context) => new FaultyNetwork(options.Fault, Points.Size, context.Classes!.Names.Count));
}
