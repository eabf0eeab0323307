using Frostline.Testing;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using TorchSharp;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

/// <summary>Recipes that bring their own assembly, built apart from the tests and known by its path only.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class ExtensionTests
{
    private static string Assembly =>
        Path.Combine(AppContext.BaseDirectory.Replace("Frostline.Training.Tests", "Frostline.TestExtension", StringComparison.Ordinal), "Frostline.TestExtension.dll");

    private static string Text(string assembly) =>
        $$"""
        version: 1
        assemblies: [ '{{assembly}}' ]
        model: { name: point-network, hidden: 3 }
        data:
          train: { name: points, count: 6 }
          transform: [ { scale-points: 2 } ]
        loss: squared-margin
        metrics: [ mean-margin ]
        """;

    [Fact]
    public void A_users_own_network_data_loss_and_metric_work_together()
    {
        var registry = new Registry().Add(new TrainingExtension());
        var recipe = Recipe.Parse(Text(Assembly), "r.yaml", ".", registry);
        var context = new BuildContext { Folder = recipe.Folder };
        var data = recipe.Data.Train.Create(context);
        using var scope = torch.NewDisposeScope();
        using var network = (torch.nn.Module<torch.Tensor, torch.Tensor>)recipe.Model.Create(context);
        var sample = data.Read(1);
        recipe.Data.Transform.Single().Create(context).Apply(sample, new CounterRandom(0, "x"));
        var image = torch.tensor((float[])sample.Fields["image"].ToTensor().Values).reshape(1, 2);
        var outputs = new Dictionary<string, torch.Tensor> { ["logits"] = network.call(image) };
        var fields = new Dictionary<string, torch.Tensor> { ["label"] = torch.tensor(new long[] { 1 }) };

        Assert.Equal(2f, image[0, 0].item<float>());
        Assert.True(recipe.Loss!.Create(context).Compute(outputs, fields).item<float>() >= 0);
        var metric = recipe.Metrics!.Single().Create(context);
        metric.Reset();
        metric.Add(outputs, fields);
        Assert.Equal("mean-margin", metric.Result().Values[0].Name);

        // The same registry reads another recipe of the same assembly, and another registry shares the loaded assembly.
        Assert.Equal(recipe.Model.Options.GetType(), Recipe.Parse(Text(Assembly), "r.yaml", ".", registry).Model.Options.GetType());
        DeepEquality.AssertSame(recipe, Recipe.Parse(recipe.ToYaml(), "r.yaml", ".", new Registry().Add(new TrainingExtension())));
    }

    [Fact]
    public void Options_of_a_users_own_are_checked_like_others()
    {
        var error = Assert.Throws<RecipeException>(
            () => Recipe.Parse(Text(Assembly).Replace("hidden: 3", "hiden: 3", StringComparison.Ordinal), "r.yaml", ".", new Registry().Add(new TrainingExtension())));
        Assert.Equal("r.yaml:3:31: \"hiden\" is no key of the network point-network; did you mean \"hidden\"?", error.Message);
    }

    [Fact]
    public void A_missing_assembly_is_told_with_its_place()
    {
        var error = RecipeFixture.Fails(RecipeFixture.MinimalWith("assemblies: [ nowhere.dll ]"));
        Assert.StartsWith("r.yaml:5:15: \"nowhere.dll\" is missing; relative paths count from ", error.Message, StringComparison.Ordinal);
        error = RecipeFixture.Fails(RecipeFixture.Minimal, "assemblies[0]=nowhere.dll");
        Assert.StartsWith("--set assemblies[0]=nowhere.dll: \"nowhere.dll\" is missing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_extension_is_told()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "this is text");
            Assert.Contains("is no .NET assembly", RecipeFixture.Fails(RecipeFixture.MinimalWith($"assemblies: [ '{file}' ]")).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }

        var other = Path.Combine(AppContext.BaseDirectory, "YamlDotNet.dll");
        Assert.Contains("has no public class that implements IFrostlineExtension", RecipeFixture.Fails(RecipeFixture.MinimalWith($"assemblies: [ '{other}' ]")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_is_taken_is_told()
    {
        var registry = new Registry().Add(new TrainingExtension());
        registry.Networks.Register<NoOptions>("point-network", "another", (_, _) => throw new FrostlineException("never"));
        var error = Assert.Throws<RecipeException>(() => Recipe.Parse(Text(Assembly), "r.yaml", ".", registry));
        Assert.Contains("cannot be used: the network \"point-network\" is registered twice", error.Message, StringComparison.Ordinal);
    }
}
