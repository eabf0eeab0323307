using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Frostline.Training.Tests.Jobs;

namespace Frostline.Children;

/// <summary>Trains, or goes on with a training, and writes a line for each batch, so that whoever reads them can end the process anywhere.</summary>
internal static class Training
{
    public static int Run(string recipe, string output)
    {
        var registry = new Registry().Add(new TrainingExtension()).Add(new PointsExtension());
        var options = new TrainJobOptions { Output = output, Resume = true };
        new TrainJob(Recipe.Load(recipe, registry), options, new Lines()).Run();
        Console.WriteLine("done");
        return 0;
    }

    private sealed class Lines : ITrainingObserver
    {
        public void Progress(TrainingProgress progress)
        {
            Console.WriteLine($"{progress.Activity} {progress.Epoch} {progress.Batch}");
            Console.Out.Flush();
        }
    }
}
