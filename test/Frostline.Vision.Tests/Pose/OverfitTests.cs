using Frostline.Initialization;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using Frostline.Vision.Networks;
using Frostline.Vision.Pose;
using TorchSharp;
using Xunit;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Whether crop, targets, loss, network, decoding and measure fit together: only then can a network learn a few images by heart.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class OverfitTests
{
    private const int Steps = 200;
    private const double Wanted = 0.95;

    [Fact]
    public void A_small_HRNet_learns_eight_photographs_by_heart_in_under_200_steps()
    {
        torch.set_num_threads(2);
        var data = KeypointData.OpenCoco(
            new CocoKeypointsOptions
            {
                Annotations = Fixtures.PathOf("data/lspet/train.json"),
                Images = Fixtures.PathOf("data/lspet/images"),
                Samples = 8,
            },
            new BuildContext { Folder = Path.GetTempPath(), Seed = 3 });
        using var network = new HRNetPose(8, data.Skeleton.Joints.Count);
        new InitializationPlan()
            .Draw("**", InitializationScheme.ResNet)
            .Draw("final_layer.weight", new Normal(0, 0.001))
            .Draw("final_layer.bias", Constant.Zeros)
            .Apply(network, seed: 1);
        using var loader = new BatchLoader(data, new BatchLoaderOptions
        {
            BatchSize = 8,
            Transforms = [new PoseCrop { Width = 96, Height = 128 }, new PoseTargets(), new Scale(), new Normalize { Mean = [0.45], Std = [0.22] }],
        });
        using var scope = torch.NewDisposeScope();
        using var batch = loader.Epoch(0).Single();
        var fields = HostTensors.Of(batch, torch.CPU);
        // Eight channels do not tell fourteen joints apart by themselves: without the hardest, a joint or two is given up for the sake of the others.
        var loss = new JointMseLoss(new JointMseOptions { Hardest = 5 });
        var metric = new PckMetric(new PckOptions(), data);
        using var optimizer = torch.optim.Adam(network.parameters(), 4e-3);
        var (found, step) = (0.0, 0);
        for (; step < Steps && found < Wanted; step++)
        {
            using var inner = torch.NewDisposeScope();
            network.train();
            optimizer.zero_grad();
            loss.Compute(Named(network.forward(fields["image"])), fields).backward();
            optimizer.step();
            if (step % 5 != 4) continue;
            // With the statistics that the norms have collected, as it would be used.
            network.eval();
            using var noGrad = torch.no_grad();
            metric.Reset();
            metric.Add(Named(network.forward(fields["image"])), fields);
            found = metric.Result().Values[0].Value;
        }

        Assert.InRange(found, Wanted, 1);
    }

    private static Dictionary<string, torch.Tensor> Named(torch.Tensor heatmaps) => new(StringComparer.Ordinal) { ["heatmaps"] = heatmaps };
}
