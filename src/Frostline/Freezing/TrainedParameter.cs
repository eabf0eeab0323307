using TorchSharp.Modules;

namespace Frostline.Freezing;

/// <summary>A parameter that a plan trains.</summary>
/// <param name="Name">Its dotted name, the first one where it is tied.</param>
/// <param name="Parameter">The parameter; owned by the network.</param>
/// <param name="LearningRateMultiplier">The factor on the optimizer's learning rate.</param>
/// <param name="WarmUp">Over how many epochs the rate rises, from <paramref name="Since"/> on; 0 for not at all.</param>
/// <param name="Since">The epoch, counted from 0, at which it began to be trained.</param>
public sealed record TrainedParameter(string Name, Parameter Parameter, double LearningRateMultiplier, double WarmUp = 0, double Since = 0);
