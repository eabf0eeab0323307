namespace Frostline.Checkpoints;

/// <summary>
/// Maps for layouts that differ from a network's own in names only. They can be chosen by name, from recipes too, and composed
/// like any other map.
/// </summary>
public static class KeyMaps
{
    // In the order in which the documents list them.
    private static readonly (string Name, KeyMap Map)[] s_all =
    [
        ("module", KeyMap.Identity.StripPrefix("module.")),
        ("orig-mod", KeyMap.Identity.StripPrefix("_orig_mod.")),
        ("wrappers", KeyMap.Identity.StripOptional("module.").StripOptional("_orig_mod.").StripOptional("module.")),
        ("backbone", KeyMap.Identity.StripPrefix("backbone.")),
        ("backbone-head", KeyMap.Identity.FirstMatch(KeyMap.Identity.StripPrefix("backbone."), KeyMap.Identity.StripPrefix("head."))),
        ("timm-hrnet", KeyMap.Identity.StripOptional("module.")),
        ("mmpose-hrnet", KeyMap.Identity.StripOptional("module.").FirstMatch(
            KeyMap.Identity.StripPrefix("backbone."),
            KeyMap.Identity.StripOptional("keypoint_head."),
            KeyMap.Identity.StripOptional("head."))),
    ];

    /// <summary>The names of all ready-made maps.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. s_all.Select(entry => entry.Name)];

    /// <summary>
    /// <c>module</c>: takes off <c>module.</c>, which PyTorch's <c>DataParallel</c> and <c>DistributedDataParallel</c> put before
    /// the names.
    /// </summary>
    public static KeyMap Module => Get("module");

    /// <summary><c>orig-mod</c>: takes off <c>_orig_mod.</c>, which <c>torch.compile</c> puts before the names.</summary>
    public static KeyMap OrigMod => Get("orig-mod");

    /// <summary>
    /// <c>wrappers</c>: takes off <c>module.</c> and <c>_orig_mod.</c> where they are, in either order; neither need be there.
    /// </summary>
    public static KeyMap Wrappers => Get("wrappers");

    /// <summary><c>backbone</c>: takes off <c>backbone.</c>; other names, such as a head's, stay as they are.</summary>
    public static KeyMap Backbone => Get("backbone");

    /// <summary>
    /// <c>backbone-head</c>: takes off <c>backbone.</c> or <c>head.</c>, whichever a name begins with; both must be there.
    /// </summary>
    public static KeyMap BackboneHead => Get("backbone-head");

    /// <summary>
    /// <c>timm-hrnet</c>: from timm's HRNet to the official classification network. timm kept the official names, so only a
    /// <c>module.</c> is taken off, where there is one.
    /// </summary>
    public static KeyMap TimmHRNet => Get("timm-hrnet");

    /// <summary>
    /// <c>mmpose-hrnet</c>: from mmpose's top-down HRNet to the official pose network. mmpose wraps the network as
    /// <c>backbone.</c>, and its last layer as <c>keypoint_head.</c> (0.x) or <c>head.</c> (1.x), which a file of the backbone
    /// alone lacks; a <c>module.</c> is taken off first, where there is one.
    /// </summary>
    public static KeyMap MMPoseHRNet => Get("mmpose-hrnet");

    /// <summary>Finds a ready-made map.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The map, or null where none has the name.</returns>
    public static KeyMap? Find(string name) => Array.Find(s_all, entry => entry.Name == name).Map;

    private static KeyMap Get(string name) => Find(name)!;
}
