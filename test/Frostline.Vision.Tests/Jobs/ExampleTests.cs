using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Jobs;
using Frostline.Training.Recipes;
using Frostline.Training.Runs;
using Frostline.Vision.Networks;
using Xunit;

namespace Frostline.Vision.Tests.Jobs;

/// <summary>What the examples' initialisation and freeze sections do, in trainings of a few images.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class ExampleTests
{
    private static readonly string[] s_short = ["train.epochs=1", "data.train.samples-per-class=3", "data.validate.samples-per-class=1"];

    [Fact]
    public void Everything_is_drawn()
    {
        using var folder = new TemporaryFolder();
        var report = Train("scratch", folder.PathOf("run"));
        Assert.All(report.Tensors, tensor => Assert.True(tensor.Origin is Origin.Drawn || tensor.Name == "linear.bias", tensor.Name));
        Assert.Equal("normal(mean: 0, deviation: 0.01)", Assert.IsType<Origin.Drawn>(report.Find("linear.weight")!.Origin).Initializer);
    }

    [Fact]
    public void A_stem_of_one_channel_becomes_one_of_four()
    {
        using var folder = new TemporaryFolder();
        var report = Train("four-channels", folder.PathOf("run"));
        Assert.Equal("conv1.weight", Assert.Single(report.Loads[0].Adapted).Name);
        using var one = Checkpoint.Open(Path.Combine(Fixtures.Repository, "examples", "assets", "fashion-resnet20.safetensors"));
        using var four = Checkpoint.Open(new RunFolder(folder.PathOf("run")).Model);
        // The stem is frozen: its weights are those of the initialisation.
        Assert.Equal(BitConverter.ToSingle(one.Read("conv1.weight")) / 4, BitConverter.ToSingle(four.Read("conv1.weight")));
    }

    [Fact]
    public void A_backbone_is_taken_from_a_network_that_is_wider()
    {
        using var folder = new TemporaryFolder();
        Train("scratch", folder.PathOf("wide"), "model.width=32");
        var report = Train("wider", folder.PathOf("run"), $"initialize[1].load={new RunFolder(folder.PathOf("wide")).Model}");
        var adapted = report.Loads[0].Adapted.ToDictionary(tensor => tensor.Name!, tensor => tensor.Detail!, StringComparer.Ordinal);
        Assert.Equal("narrow, average, outputs 128 to 64, inputs 128 to 64", adapted["layer3.2.conv2.weight"]);
        Assert.Equal("narrow, average, outputs 32 to 16", adapted["conv1.weight"]);
        Assert.IsType<Origin.Calibrated>(report.Find("bn1.running_var")!.Origin);
        Assert.Equal("drawn", report.Loads[0].Parent!.Find("conv1.weight")!.Origin is Origin.Drawn ? "drawn" : "");
    }

    [Fact]
    public void An_ImageNet_backbone_gets_a_new_head()
    {
        using var folder = new TemporaryFolder();
        // In the place of torchvision's file, under its names and with its 1,000 classes.
        var file = folder.PathOf("resnet18-f37072fd.pth");
        using (var network = new ResNet(ResNetDepth.ResNet18))
        {
            new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(network, 1);
            using var stream = File.Create(file);
            PyTorchWriter.Write(stream, [.. ModelFile.Tensors(network)]);
        }

        var report = Train("imagenet-head", folder.PathOf("run"), $"weights={folder.Path}", "data.transform[1].resize=64");
        Assert.Equal(["fc.weight", "fc.bias"], report.Drawn.Select(tensor => tensor.Name));
        Assert.Equal(120, report.Loaded.Count);
    }

    [Fact]
    public void Parts_thaw_one_after_the_other()
    {
        using var folder = new TemporaryFolder();
        string[] sets = [.. s_short, "train.epochs=3", "freeze[1].from-epoch=1", "freeze[1].every=1"];
        var recipe = Recipe.Load(Path.Combine(Fixtures.Repository, "examples", "gradual.yaml"), RecipeRun.Registry(), sets);
        var planned = new PlanJob(recipe).Run().Phases;
        var summary = RecipeRun.Train(recipe, folder.PathOf("run")).Summary;
        Assert.Equal([(1, 325L, "head"), (2, 203_845L, "layer3"), (3, 254_917L, "layer2")], summary.Phases.Select(phase => (phase.Epoch, phase.Trainable, phase.FrostLine)));
        Assert.Equal(summary.Phases.Select(phase => (phase.Epoch, phase.Trainable, phase.FrostLine)), planned.Select(phase => (phase.Epoch, phase.Trainable, phase.FrostLine)));
        // Each part adds to the work and to the memory of a step.
        Assert.Equal(planned.Select(phase => phase.Step!.TotalBytes).Order(), planned.Select(phase => phase.Step!.TotalBytes));
        Assert.Equal(planned.Select(phase => phase.Step!.MultiplyAdds).Order(), planned.Select(phase => phase.Step!.MultiplyAdds));
        Assert.Equal(78, summary.Audit.FrozenTensors);
        Assert.Equal(0, summary.Audit.Moved);

        using var before = Checkpoint.Open(Path.Combine(Fixtures.Repository, "examples", "assets", "fashion-resnet20.safetensors"));
        using var last = Checkpoint.Open(new RunFolder(folder.PathOf("run")).Last);
        Assert.Equal(before.Read("layer3.0.bn1.running_mean"), last.Read("model.layer3.0.bn1.running_mean"));
        Assert.NotEqual(before.Read("layer2.0.conv1.weight"), last.Read("model.layer2.0.conv1.weight"));
        var audit = new AuditJob(recipe, RecipeRun.Registry()).Run(before, last);
        Assert.Equal((78, 0, 0), (audit.FrozenTensors, audit.Moved.Count, audit.TrainedButUnmoved.Count));
    }

    private static InitializationReport Train(string example, string output, params string[] sets)
    {
        var recipe = Recipe.Load(Path.Combine(Fixtures.Repository, "examples", example + ".yaml"), RecipeRun.Registry(), [.. s_short, .. sets]);
        Assert.Equal(0, RecipeRun.Train(recipe, output).Summary.Audit.Moved);
        using var model = Checkpoint.Open(new RunFolder(output).Model);
        return ModelFile.ProvenanceOf(model)!;
    }
}
