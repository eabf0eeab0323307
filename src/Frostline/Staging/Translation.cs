using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Frostline.Staging;

/// <summary>Moves maps by translations, on libtorch's grid sampling.</summary>
internal static class Translation
{
    /// <summary>Checks what is moved, and by what.</summary>
    /// <exception cref="FrostlineException">The shapes do not fit.</exception>
    internal static void Check(IReadOnlyList<long> map, IReadOnlyList<long> translation)
    {
        if (map.Count != 4 || !translation.SequenceEqual([map[0], 2]))
            throw new FrostlineException(
                $"a translation moves maps [N, C, H, W] by numbers [N, 2] but gets [{string.Join(", ", map)}] and " +
                $"[{string.Join(", ", translation)}]; give each map how far to the right, then how far down");
    }

    /// <summary>Moves maps.</summary>
    /// <param name="map"><c>[N, C, H, W]</c>.</param>
    /// <param name="translation"><c>[N, 2]</c>, in elements: to the right, then down.</param>
    /// <returns><c>[N, C, H, W]</c>, owned by the caller's scope.</returns>
    internal static Tensor Run(Tensor map, Tensor translation)
    {
        using var scope = NewDisposeScope();
        var (samples, height, width) = (map.shape[0], map.shape[2], map.shape[3]);

        // Points from -1 to 1: from the middle of the first element to that of the last; or from edge to edge where there is only one element,
        // which otherwise could not leave its place.
        var middles = height > 1 && width > 1;
        double[] back = middles ? [-2.0 / (width - 1), -2.0 / (height - 1)] : [-2.0 / width, -2.0 / height];
        var turn = eye(2, dtype: map.dtype, device: map.device).unsqueeze(0).expand(samples, 2, 2);
        var shift = translation.mul(tensor(back, dtype: map.dtype, device: map.device)).unsqueeze(2);
        var grid = F.affine_grid(cat([turn, shift], 2), [samples, map.shape[1], height, width], middles);
        return F.grid_sample(map, grid, GridSampleMode.Bilinear, GridSamplePaddingMode.Zeros, middles).MoveToOuterDisposeScope();
    }
}
