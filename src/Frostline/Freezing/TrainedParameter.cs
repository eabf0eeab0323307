using TorchSharp.Modules;

namespace Frostline.Freezing;

/// <summary>A parameter that a plan trains.</summary>
/// <param name="Name">Its dotted name, the first one where it is tied.</param>
/// <param name="Parameter">The parameter; owned by the network.</param>
/// <param name="LearningRateMultiplier">The factor on the optimizer's learning rate.</param>
public sealed record TrainedParameter(string Name, Parameter Parameter, double LearningRateMultiplier);
