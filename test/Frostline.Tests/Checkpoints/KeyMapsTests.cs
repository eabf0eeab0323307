using System.Text.Json;
using Frostline.Checkpoints;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Checkpoints;

public sealed class KeyMapsTests
{
    [Fact]
    public void Every_ready_made_map_is_found_by_its_name()
    {
        Assert.Equal(
            ["module", "orig-mod", "wrappers", "backbone", "backbone-head", "timm-hrnet", "mmpose-hrnet"], KeyMaps.Names);
        Assert.Equal(
            [KeyMaps.Module, KeyMaps.OrigMod, KeyMaps.Wrappers, KeyMaps.Backbone, KeyMaps.BackboneHead, KeyMaps.TimmHRNet,
                KeyMaps.MMPoseHRNet],
            KeyMaps.Names.Select(KeyMaps.Find));
        Assert.Null(KeyMaps.Find("modul"));
    }

    [Theory]
    [InlineData("module", "module.")]
    [InlineData("orig-mod", "_orig_mod.")]
    [InlineData("wrappers", "module.")]
    [InlineData("wrappers", "_orig_mod.")]
    [InlineData("wrappers", "module._orig_mod.")]
    [InlineData("wrappers", "_orig_mod.module.")]
    [InlineData("wrappers", "")]
    [InlineData("backbone", "backbone.")]
    public void Wrappers_come_off_every_name_of_a_manifest(string map, string wrapper)
    {
        var names = Manifest("resnet50");
        Assert.Equal(names, Targets(map, names.Select(name => wrapper + name)));
    }

    [Theory]
    [InlineData("module")]
    [InlineData("orig-mod")]
    [InlineData("backbone")]
    [InlineData("backbone-head")]
    [InlineData("mmpose-hrnet")]
    public void A_wrapper_that_was_named_must_be_there(string map) =>
        Assert.Contains("matches none", Assert.Throws<CheckpointException>(() => Targets(map, ["a"])).Message, StringComparison.Ordinal);

    [Fact]
    public void A_backbone_and_a_head_become_one_network()
    {
        var names = Manifest("resnet18");
        string Wrapped(string name) => (name.StartsWith("fc.", StringComparison.Ordinal) ? "head." : "backbone.") + name;
        Assert.Equal(names, Targets("backbone-head", names.Select(Wrapped)));
        Assert.Contains(
            "both become \"a\"",
            Assert.Throws<CheckpointException>(() => Targets("backbone-head", ["backbone.a", "head.a"])).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hrnet_pose_w32", "keypoint_head.")]
    [InlineData("hrnet_pose_w32", "head.")]
    [InlineData("hrnet_pose_w48", "module.keypoint_head.")]
    [InlineData("hrnet_pose_w48", null)]
    public void The_HRNet_of_mmpose_gets_the_official_names(string model, string? head)
    {
        var names = Manifest(model);
        static bool IsHead(string name) => name.StartsWith("final_layer.", StringComparison.Ordinal);
        var backbone = head?.StartsWith("module.", StringComparison.Ordinal) == true ? "module.backbone." : "backbone.";
        var wanted = head is null ? [.. names.Where(name => !IsHead(name))] : names;
        Assert.Equal(wanted, Targets("mmpose-hrnet", wanted.Select(name => (IsHead(name) ? head : backbone) + name)));
    }

    [Theory]
    [InlineData("hrnet_cls_w18", "")]
    [InlineData("hrnet_cls_w32", "module.")]
    public void The_HRNet_of_timm_has_the_official_names(string model, string wrapper)
    {
        var names = Manifest(model);
        Assert.Equal(names, Targets("timm-hrnet", names.Select(name => wrapper + name)));
        // What timm's classes register under, in their order.
        string[] parts =
        [
            "conv1", "bn1", "conv2", "bn2", "layer1", "transition1", "stage2", "transition2", "stage3", "transition3", "stage4",
            "incre_modules", "downsamp_modules", "final_layer", "classifier",
        ];
        Assert.Equal(parts, names.Select(name => name.Split('.')[0]).Distinct(StringComparer.Ordinal));
    }

    private static IEnumerable<string> Targets(string map, IEnumerable<string> names) =>
        KeyMaps.Find(map)!.Apply([.. names]).Pairs.Select(pair => pair.Target);

    private static List<string> Manifest(string model)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Fixtures.PathOf($"golden/manifests/{model}_manifest.json")));
        return [.. manifest.RootElement.EnumerateArray().Select(entry => entry[0].GetString()!)];
    }
}
