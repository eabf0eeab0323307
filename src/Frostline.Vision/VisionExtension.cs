using Frostline.Training.Registration;
using Frostline.Vision.Networks;

namespace Frostline.Vision;

/// <summary>What this library adds to recipes: networks, data sets and transforms for images.</summary>
public sealed class VisionExtension : IFrostlineExtension
{
    /// <inheritdoc/>
    public void Register(Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        NetworkRegistration.Register(registry.Networks);
        PoseNetworkRegistration.Register(registry);
        DataRegistration.Register(registry);
        PoseRegistration.Register(registry);
    }
}
