using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;

namespace Frostline.Vision.Tests.Jobs;

/// <summary>Recipes as the command runs them, in this process.</summary>
internal static class RecipeRun
{
    public static Registry Registry()
    {
        var registry = new Registry();
        registry.Add(new TrainingExtension());
        registry.Add(new VisionExtension());
        return registry;
    }

    public static Recipe Parse(string text) => Recipe.Parse(text, "test.yaml", Fixtures.Repository, Registry());

    public static TrainResult Train(Recipe recipe, string output) => new TrainJob(recipe, new TrainJobOptions { Output = output }).Run();
}
