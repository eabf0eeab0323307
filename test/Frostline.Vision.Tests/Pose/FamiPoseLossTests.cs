using Frostline.Testing;
using Frostline.Vision.Networks;
using Frostline.Vision.Pose;
using Frostline.Vision.Tests.Networks;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Pose;

[Collection(LibTorchCollection.Name)]
public sealed class FamiPoseLossTests
{
    [Fact]
    public void In_the_papers_form_terms_are_divergences_of_six_different_pairs()
    {
        using var scope = NewDisposeScope();
        var outputs = Outputs();
        var terms = MutualInformation.Terms(outputs);
        (string Reference, string Of)[] pairs =
        [
            ("aligned_labels", "heatmaps"), ("key_features", "dcn_4"), ("support_labels", "heatmaps"),
            ("support_features", "dcn_4"), ("key_labels", "heatmaps"), ("key_features", "features"),
        ];
        foreach (var (term, pair) in terms.Zip(pairs))
        {
            var (p, q) = (Distribution(outputs[pair.Of]), Distribution(outputs[pair.Reference]));
            Assert.Equal((p * (p.log() - q.log())).mean().Number(), term.Number(), 1e-12);
            Assert.True(term.Number() > 0);
        }

        Assert.Equal(6, terms.Select(term => term.Number()).Distinct().Count());
        outputs["dcn_4"] = outputs["key_features"].detach();
        Assert.Equal(0, MutualInformation.Terms(outputs)[1].Number(), 1e-15);
    }

    [Fact]
    public void In_the_published_codes_form_probabilities_stand_for_their_logarithms_and_two_terms_are_one()
    {
        using var scope = NewDisposeScope();
        var outputs = Outputs();
        var terms = MutualInformation.Terms(outputs, MutualInformationForm.ReleasedCode);
        var (p, q) = (Distribution(outputs["heatmaps"]), Distribution(outputs["labels"]));
        Assert.Equal((p * (p.log() - q)).mean().Number(), terms[0].Number(), 1e-12);
        Assert.Equal(terms[1].Number(), terms[5].Number());
        Assert.NotEqual(terms[1].Number(), MutualInformation.Terms(outputs)[1].Number());
    }

    [Theory]
    [InlineData(MutualInformationForm.Paper)]
    [InlineData(MutualInformationForm.ReleasedCode)]
    public void Gradients_go_to_what_is_compared_and_not_to_what_it_is_compared_with(MutualInformationForm form)
    {
        using var scope = NewDisposeScope();
        var outputs = Outputs();
        var terms = MutualInformation.Terms(outputs, form);
        terms.Aggregate((a, b) => a + b).backward();
        Assert.All(new[] { "heatmaps", "features" }, name => Assert.True(outputs[name].grad!.abs().max().Number() > 0));
        Assert.Equal(form == MutualInformationForm.Paper, outputs["dcn_4"].grad is not null);
        Assert.All(outputs.Where(output => output.Key.EndsWith("labels", StringComparison.Ordinal) || output.Key.StartsWith("key", StringComparison.Ordinal)), output => Assert.Null(output.Value.grad));
    }

    [Fact]
    public void The_loss_is_the_weighted_error_and_the_terms_by_their_signs()
    {
        using var scope = NewDisposeScope();
        var outputs = Outputs();
        var (target, weight) = (randn([2, 3, 4, 5], float64), tensor(new[] { 1.0, 0, 0.5, 1, 1, 0 }).reshape(2, 3));
        var fields = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["heatmap"] = target, ["weight"] = weight };
        var error = ((outputs["heatmaps"] - target) * weight.reshape(2, 3, 1, 1)).square().mean().Number();
        var m = MutualInformation.Terms(outputs).Select(term => term.Number()).ToArray();
        Assert.Equal(error + (0.5 * ((-0.1 * m[0]) + (0.1 * m[1]) + m[2] - m[3] + m[4] - m[5])), Loss(new FamiPoseLossOptions()), 1e-12);
        Assert.Equal(error + (2 * ((-0.3 * m[0]) + (0.3 * m[1]) + m[2] - m[3] + m[4] - m[5])), Loss(new FamiPoseLossOptions { InformationWeight = 2, Beta = 0.3 }), 1e-12);
        Assert.Equal(error, Loss(new FamiPoseLossOptions { InformationWeight = 0 }), 1e-12);

        double Loss(FamiPoseLossOptions options) => new FamiPoseLoss(options).Compute(outputs, fields).Number();
    }

    [Fact]
    public void Far_apart_maps_stay_finite_and_what_is_missing_is_named()
    {
        using var scope = NewDisposeScope();
        var outputs = Outputs().ToDictionary(output => output.Key, output => output.Value.detach().to(float32).mul(tensor(100f)));
        Assert.All(MutualInformation.Terms(outputs), term => Assert.True(double.IsFinite(term.Number())));
        var fields = new Dictionary<string, Tensor>(StringComparer.Ordinal) { ["heatmap"] = zeros(2, 3, 4, 5), ["weight"] = ones(2, 3) };
        outputs.Remove("key_features");
        Assert.Contains("information: true", Assert.Throws<FrostlineException>(() => new FamiPoseLoss(new FamiPoseLossOptions()).Compute(outputs, fields)).Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => new FamiPoseLoss(new FamiPoseLossOptions { Temperature = 0 }));
        Assert.IsType<FamiPoseLoss>(TestNetworks.Registry.Losses.Item("fami-pose").Create(new Training.Registration.BuildContext { Folder = "." }));
    }

    private static Dictionary<string, Tensor> Outputs()
    {
        random.manual_seed(11);
        using Scalar small = 0.1;
        return new[] { "heatmaps" }.Concat(FamiPose.InformationOutputs).ToDictionary(
            name => name,
            name => randn([2, name.EndsWith("labels", StringComparison.Ordinal) || name == "heatmaps" ? 3 : 6, 4, 5], float64).mul(small).requires_grad_(),
            StringComparer.Ordinal);
    }

    private static Tensor Distribution(Tensor map) => nn.functional.softmax(map.detach().reshape(-1, 20) / tensor(0.05), 1);
}
