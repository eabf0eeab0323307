using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Training.Recipes;
using TorchSharp;

namespace Frostline.Training.Jobs;

/// <summary>Turns a recipe's initialisation rules into a plan, and runs it.</summary>
internal static class RecipeInitialization
{
    /// <summary>Gives the network its first values.</summary>
    public static InitializationReport Apply(Recipe recipe, torch.nn.Module network) =>
        With(recipe, plan => plan.Apply(network, recipe.Seed));

    /// <summary>Says what <see cref="Apply"/> would do.</summary>
    public static InitializationReport Preview(Recipe recipe, torch.nn.Module network) =>
        With(recipe, plan => plan.Preview(network, recipe.Seed));

    /// <summary>Adapts values to the training data, where rules ask for it: unit variance, norm statistics.</summary>
    public static InitializationReport Adapt(
        Recipe recipe,
        torch.nn.Module network,
        TrainingData data,
        InitializationReport report,
        torch.Device device,
        ITrainingObserver? observer)
    {
        for (var i = 0; i < recipe.Initialize.Count; i++)
        {
            var number = i;
            report = recipe.Initialize[i] switch
            {
                LsuvRule rule => report.WithScaled(recipe.At(
                    FormattableString.Invariant($"initialize[{number}].lsuv"), () => Scale(rule, network, data, device))),
                CalibrateNormRule rule => report.WithCalibrated(recipe.At(
                    FormattableString.Invariant($"initialize[{number}].calibrate-norm"), () => Calibrate(rule, recipe, network, data, device, observer))),
                _ => report,
            };
        }

        return report;
    }

    /// <summary>Says what <see cref="Adapt"/> would do.</summary>
    public static InitializationReport PreviewAdapted(Recipe recipe, torch.nn.Module network, InitializationReport report)
    {
        for (var i = 0; i < recipe.Initialize.Count; i++)
        {
            var number = i;
            report = recipe.Initialize[i] switch
            {
                LsuvRule rule => report.WithScaled(recipe.At(
                    FormattableString.Invariant($"initialize[{number}].lsuv"), () => Lsuv.Preview(network, rule.Lsuv))),
                CalibrateNormRule rule => report.WithCalibrated(recipe.At(
                    FormattableString.Invariant($"initialize[{number}].calibrate-norm"),
                    () => NormCalibration.Preview(network, rule.CalibrateNorm, rule.Batches))),
                _ => report,
            };
        }

        return report;
    }

    private static LsuvResult Scale(LsuvRule rule, torch.nn.Module network, TrainingData data, torch.Device device)
    {
        var runner = new NetworkRunner(network);
        using var loader = data.TrainLoader();
        using var batch = loader.Epoch(0).First();
        return Lsuv.Run(
            network,
            rule.Lsuv,
            () => runner.Run(HostTensors.Of(batch, device)),
            new LsuvOptions { Tolerance = rule.Tolerance, Iterations = rule.Iterations });
    }

    private static CalibratedNorms Calibrate(
        CalibrateNormRule rule, Recipe recipe, torch.nn.Module network, TrainingData data, torch.Device device, ITrainingObserver? observer)
    {
        var runner = new NetworkRunner(network);
        using var loader = data.TrainLoader();
        var batches = Math.Min(rule.Batches, loader.BatchesPerEpoch);
        return NormCalibration.Run(network, rule.CalibrateNorm, loader.Epoch(0).Take(batches), batch =>
        {
            var done = batch.Number + 1;
            var fields = HostTensors.Of(batch, device);
            batch.Dispose();
            runner.Run(fields);
            observer?.Progress(new TrainingProgress(TrainingActivity.Calibrate, 0, recipe.Train.Epochs, done, batches, double.NaN, 0));
        });
    }

    private static InitializationReport With(Recipe recipe, Func<InitializationPlan, InitializationReport> work)
    {
        var open = new List<Checkpoint>();
        try
        {
            var plan = new InitializationPlan();
            // Not every rule of the recipe is one of the plan.
            var places = new List<int>();
            for (var i = 0; i < recipe.Initialize.Count; i++)
            {
                var rule = recipe.Initialize[i];
                recipe.At(FormattableString.Invariant($"initialize[{i}]"), () => Add(recipe, plan, rule, open));
                if (plan.Rules.Count > places.Count) places.Add(i);
            }

            return Located(recipe, places, () => work(plan));
        }
        finally
        {
            foreach (var checkpoint in open) checkpoint.Dispose();
        }
    }

    private static InitializationPlan Add(Recipe recipe, InitializationPlan plan, InitializeRule rule, List<Checkpoint> open)
    {
        var context = new Registration.BuildContext { Folder = recipe.Folder, Seed = recipe.Seed };
        switch (rule)
        {
            case DrawRule { Scheme: { } scheme } draw:
                return plan.Draw(draw.Draw, scheme.Create(context));
            case DrawRule { Initializer: { } initializer } draw:
                return plan.Draw(draw.Draw, initializer.Create(context));
            case LoadRule load:
                var checkpoint = Checkpoint.Open(recipe.FindCheckpoint(load), load.Key);
                open.Add(checkpoint);
                return plan.Load(
                    load.Into, checkpoint, recipe.KeyMapOf(load), new LoadOptions
                    {
                        Require = load.Require,
                        Skip = load.Skip,
                        Head = load.Head,
                        FirstConv = load.FirstConv,
                        Interpolate = load.Interpolate,
                        Narrow = load.Narrow,
                        Widen = load.Widen,
                        Inflate = load.Inflate,
                    });
            case KeepRule keep:
                return plan.Keep(keep.Keep);
            case SetRule set:
                return plan.Set(set.Set, set.Value);
            case CopyRule copy:
                return plan.CopyFrom(copy.Into, copy.Copy, copy.Fit);
            case LsuvRule or CalibrateNormRule:
                return plan;
            default:
                throw new InvalidOperationException($"unknown rule {rule.GetType().Name}");
        }
    }

    /// <summary>Errors of the whole plan are given the place of the rule that is wrong, or whose file is.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="places">Where each rule of the plan stands in the recipe.</param>
    /// <param name="work">What may fail.</param>
    private static InitializationReport Located(Recipe recipe, List<int> places, Func<InitializationReport> work)
    {
        try
        {
            return work();
        }
        catch (FrostlineException error) when (error is not RecipeException)
        {
            var index = error is InitializationException { Rule: { } rule }
                ? places[rule]
                : recipe.Initialize.ToList().FindIndex(
                    rule => rule is LoadRule load && error.Message.Contains(Path.GetFileName(load.Load), StringComparison.Ordinal));
            throw recipe.Error(
                index < 0 ? "initialize" : FormattableString.Invariant($"initialize[{index}]"), error.Message, error);
        }
    }
}
