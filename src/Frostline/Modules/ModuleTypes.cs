using Frostline.Freezing;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Modules;

/// <summary>What kind of module something is, by its C# type: <c>GetName()</c> of a BatchNorm2d says "BatchNorm1d".</summary>
internal static class ModuleTypes
{
    /// <summary>The names that <c>type:</c> matches: the type, its base types, and the family of a dropout.</summary>
    internal static IReadOnlyList<string> NamesOf(torch.nn.Module module)
    {
        var names = new List<string>();
        for (var type = module.GetType(); type is not null && !IsFoundation(type); type = type.BaseType) names.Add(PlainName(type));
        if (IsDropout(module) && !names.Contains("Dropout", StringComparer.Ordinal)) names.Add("Dropout");
        return names;
    }

    /// <summary>Whether the module was put in by Frostline and is none of the network's.</summary>
    internal static bool IsGuard(torch.nn.Module module) => module is IHiddenModule;

    /// <summary>Whether the module drops activations at random while training.</summary>
    internal static bool IsDropout(torch.nn.Module module) =>
        module is Dropout or Dropout1d or Dropout2d or Dropout3d or AlphaDropout or FeatureAlphaDropout;

    /// <summary>
    /// Whether the module draws random numbers while training: the dropouts, the random leaky ReLU, and those that have a
    /// dropout rate inside, which TorchSharp does not show.
    /// </summary>
    internal static bool IsRandom(torch.nn.Module module) => IsDropout(module) || module is RReLU or RNN or LSTM or GRU
        or MultiheadAttention or Transformer or TransformerEncoder or TransformerEncoderLayer or TransformerDecoder or TransformerDecoderLayer;

    /// <summary>Whether <see cref="IsRandom"/> and, where the rate can be read, the rate is above zero.</summary>
    internal static bool IsActive(torch.nn.Module module) => module switch
    {
        Dropout dropout => dropout.p > 0,
        Dropout1d dropout => dropout.p > 0,
        Dropout2d dropout => dropout.p > 0,
        Dropout3d dropout => dropout.p > 0,
        AlphaDropout dropout => dropout.p > 0,
        FeatureAlphaDropout dropout => dropout.p > 0,
        _ => IsRandom(module),
    };

    /// <summary>
    /// Whether the module keeps running statistics: a norm of TorchSharp's that tracks them, or any other module with buffers
    /// named as such. Those of a <see cref="FrozenBatchNorm"/> do not run.
    /// </summary>
    internal static bool HasStatistics(torch.nn.Module module) =>
        module is not FrozenBatchNorm && ModuleComponents.Buffers(module).Keys.Any(name => name is "running_mean" or "running_var");

    /// <summary>Whether a buffer of this local name belongs to a norm's running statistics.</summary>
    internal static bool IsStatistic(string localName) => localName is "running_mean" or "running_var" or Counter;

    /// <summary>A norm's count of the batches that it saw; old checkpoints lack it.</summary>
    internal const string Counter = "num_batches_tracked";

    /// <summary>
    /// Whether what the module computes for a sample depends on the other samples of its batch in inference mode too: a
    /// BatchNorm without running statistics. (An InstanceNorm without them looks at one sample only.)
    /// </summary>
    internal static bool DependsOnBatch(torch.nn.Module module) => module is BatchNorm && !HasStatistics(module);

    /// <summary>Whether the type is TorchSharp's own.</summary>
    internal static bool IsLibraryType(torch.nn.Module module) => module.GetType().Assembly == typeof(torch).Assembly;

    private static bool IsFoundation(Type type) =>
        type == typeof(object) || type == typeof(torch.nn.Module) || PlainName(type) is "HookableModule" or "ParameterLessModule" or "Module";

    private static string PlainName(Type type)
    {
        var tick = type.Name.IndexOf('`', StringComparison.Ordinal);
        return tick < 0 ? type.Name : type.Name[..tick];
    }
}

/// <summary>Marks modules that Frostline registers with a network for its own ends; no walk shows them.</summary>
internal interface IHiddenModule;
