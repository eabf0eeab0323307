using System.Text.Json;
using Frostline.Initialization;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Vision.Networks;
using TorchSharp;
using Xunit;

namespace Frostline.Vision.Tests.Networks;

[Collection(LibTorchCollection.Name)]
public sealed class NamesTests
{
    private static readonly Dictionary<string, Func<torch.nn.Module>> s_networks = new(StringComparer.Ordinal)
    {
        ["resnet18"] = () => new ResNet(ResNetDepth.ResNet18),
        ["resnet18_nc10"] = () => new ResNet(ResNetDepth.ResNet18, classes: 10),
        ["resnet50"] = () => new ResNet(ResNetDepth.ResNet50),
        ["resnet20_cifar"] = () => new CifarResNet(20),
        ["hrnet_cls_w18_small_v1"] = () => new HRNetClassifier(HRNetLayout.SmallV1),
        ["hrnet_cls_w18_small_v2"] = () => new HRNetClassifier(HRNetLayout.SmallV2),
        ["hrnet_cls_w18"] = () => new HRNetClassifier(HRNetWidth.W18),
        ["hrnet_cls_w32"] = () => new HRNetClassifier(HRNetWidth.W32),
        ["hrnet_pose_w32"] = () => new HRNetPose(HRNetWidth.W32),
        ["hrnet_pose_w48"] = () => new HRNetPose(HRNetWidth.W48),
        ["hrnet_pose_w48_multiscale"] = () => new HRNetPose(new HRNetLayout(HRNetWidth.W48), allBranches: true),
        ["fami_pose"] = () => new FamiPose(HRNetWidth.W48),
        ["dcpose"] = () => new DcPose(HRNetWidth.W48),
    };

    public static TheoryData<string> Manifests => [.. s_networks.Keys];

    [Fact]
    public void Every_manifest_of_a_network_that_exists_is_compared()
    {
        var files = Directory.EnumerateFiles(Fixtures.PathOf("golden/manifests"), "*_manifest.json")
            .Select(file => Path.GetFileName(file)[..^"_manifest.json".Length]);
        Assert.Equal(
            files.Order(StringComparer.Ordinal),
            s_networks.Keys.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Manifests))]
    public void Names_order_shapes_and_types_are_PyTorchs(string model)
    {
        using var network = DeferredInitialization.Construct(s_networks[model]);
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Fixtures.PathOf($"golden/manifests/{model}_manifest.json")));
        var expected = manifest.RootElement.EnumerateArray().Select(entry => $"{entry[0]} [{string.Join(", ", entry[1].EnumerateArray())}] {entry[2]}");
        var actual = NetworkEntries.Of(network).Select(entry =>
            $"{entry.Name} [{string.Join(", ", entry.Tensor.shape)}] {(entry.Tensor.dtype == torch.int64 ? "I64" : "F32")}");
        Assert.Equal(expected, actual);
    }

    /// <summary>The published counts of torchvision's and the CIFAR reference's networks.</summary>
    [Theory]
    [InlineData("resnet18", 11_689_512)]
    [InlineData("resnet34", 21_797_672)]
    [InlineData("resnet50", 25_557_032)]
    [InlineData("resnet101", 44_549_160)]
    [InlineData("resnet152", 60_192_808)]
    [InlineData("squeezenet1_0", 1_248_424)]
    [InlineData("squeezenet1_1", 1_235_496)]
    [InlineData("cifar-resnet20", 269_722)]
    [InlineData("cifar-resnet32", 464_154)]
    [InlineData("cifar-resnet44", 658_586)]
    [InlineData("cifar-resnet56", 853_018)]
    [InlineData("cifar-resnet110", 1_727_962)]
    public void Each_network_has_its_published_parameters_each_in_one_stage(string name, long parameters)
    {
        using var network = TestNetworks.Create(name);
        Assert.Equal(parameters, network.parameters().Sum(p => p.numel()));
        var staged = Assert.IsAssignableFrom<IStagedNetwork>(network);
        var map = StageMap.Of(staged);
        Assert.All(NetworkEntries.Of(network), entry => Assert.NotNull(map.StageOf(entry.Name)));
        Assert.Equal("stem", map.Stages[0]);
        Assert.Equal("head", map.Stages[^1]);
        Assert.Equal("head", map.StageOf(NetworkEntries.Of(network).Last().Name));
    }

    [Fact]
    public void SqueezeNets_layers_have_torchvisions_names()
    {
        using var network = new SqueezeNet(SqueezeNetVersion.V1_1, classes: 2);
        var names = network.named_parameters().Select(p => p.name).ToList();
        Assert.Contains("features.0.weight", names);
        Assert.Contains("features.12.expand3x3.bias", names);
        Assert.Contains("classifier.1.weight", names);
        Assert.Equal([2L, 512, 1, 1], network.get_parameter("classifier.1.weight")!.shape);
    }
}
