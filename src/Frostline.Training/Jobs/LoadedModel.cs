using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Native;
using Frostline.Training.Data;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>
/// A network with the weights of a file, in inference mode, and how a sample becomes its input: from a model file alone, which says all of that, or
/// from a recipe and any checkpoint that fits its network.
/// </summary>
public sealed class LoadedModel : IDisposable
{
    private LoadedModel(string source, torch.nn.Module network, torch.Device device, ModelDescription description, BuildContext context)
    {
        (Source, Network, Device, Description, Context) = (source, network, device, description, context);
        Transform = [.. description.Transform.Select(item => item.Create(context))];
        network.eval();
    }

    /// <summary>The file that the weights are from.</summary>
    public string Source { get; }

    /// <summary>The network.</summary>
    public torch.nn.Module Network { get; }

    /// <summary>Where the network computes.</summary>
    public torch.Device Device { get; }

    /// <summary>The network's name and options, what its outputs mean, and how a sample becomes its input.</summary>
    public ModelDescription Description { get; }

    /// <summary>How a sample becomes the network's input, in order.</summary>
    public IReadOnlyList<ITransform> Transform { get; }

    /// <summary>What networks, losses and metrics that belong to it are created with.</summary>
    public BuildContext Context { get; }

    /// <summary>How the recipe wants the network run several times for a sample; null for once.</summary>
    public ITestTimeAugmentation? TestTime { get; private init; }

    /// <summary>What is worth knowing of the file, one line each.</summary>
    public IReadOnlyList<string> Remarks { get; private init; } = [];

    /// <summary>Opens a model file that <c>frostline train</c> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <param name="registry">The networks and transforms that there are.</param>
    /// <param name="threads">How many threads libtorch computes with; null for the physical cores.</param>
    /// <exception cref="FrostlineException">The file is no model file, or does not fit its network.</exception>
    public static LoadedModel Open(string path, Registry registry, int? threads = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(registry);
        ModelDescription? description;
        using (var file = Checkpoint.Open(path)) description = ModelDescription.Read(file, registry);
        if (description is null)
            throw new FrostlineException($"{path} does not say which network it holds; give a model file that frostline train wrote, or a recipe and --checkpoint");
        NativeRuntime.Load(threads);
        var context = new BuildContext { Folder = Directory.GetCurrentDirectory(), Classes = description.Classes, Facts = description.Facts };
        var network = DeferredInitialization.Construct(() => description.Model.Create(context));
        return Owning(network, () =>
        {
            ModelFile.Load(network, path);
            return new LoadedModel(path, network, torch.CPU, description, context);
        });
    }

    /// <summary>Opens a checkpoint of a recipe's network.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="checkpoint">
    /// The file: a model file, whose preprocessing and meaning of outputs then count, or any checkpoint of the whole network by its names, with or
    /// without the prefix <c>module.</c>
    /// </param>
    /// <param name="registry">What the file's description can name; the one that the recipe was loaded with.</param>
    /// <param name="threads">How many threads libtorch computes with; null for the recipe's number.</param>
    /// <exception cref="FrostlineException">The file does not fit the network.</exception>
    public static LoadedModel Open(Recipe recipe, string checkpoint, Registry registry, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentException.ThrowIfNullOrEmpty(checkpoint);
        ArgumentNullException.ThrowIfNull(registry);
        using var file = ModelLoading.Open(checkpoint);
        var bench = Workbench.Open(recipe, threads);
        var description = ModelDescription.Read(file, registry) ?? DescribedBy(recipe, bench);
        var context = new BuildContext { Folder = recipe.Folder, Seed = recipe.Seed, Classes = description.Classes, Facts = description.Facts };
        List<string> remarks = [];
        var network = bench.CreateNetwork(context, deferred: true);
        return Owning(network, () =>
        {
            ModelLoading.Load(network, file, remarks);
            return new LoadedModel(checkpoint, network, bench.Device, description, context) { Remarks = remarks, TestTime = recipe.TestTime?.Create(context) };
        });
    }

    /// <inheritdoc/>
    public void Dispose() => Network.Dispose();

    /// <summary>What the recipe says, and its data; without the data, a recipe that states its number of outputs will do.</summary>
    private static ModelDescription DescribedBy(Recipe recipe, Workbench bench)
    {
        try
        {
            var data = bench.OpenData();
            return ModelDescription.Of(recipe, data.Classes, data.Context.Facts);
        }
        catch (FrostlineException)
        {
            return ModelDescription.Of(recipe, classes: null);
        }
    }

    private static LoadedModel Owning(torch.nn.Module network, Func<LoadedModel> load)
    {
        try
        {
            return load();
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }
}
