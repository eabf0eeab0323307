using System.Buffers;
using System.Numerics;

namespace Frostline.Staging;

/// <summary>
/// Samples maps where offsets say, bilinearly, and its derivatives: the part of a deformable convolution that libtorch does not have. Each of
/// the four neighbours of a point that lies outside of the map counts as zero, so that a point fades out within one element of the
/// border (Zhu et al., "Deformable ConvNets v2", 2019; torchvision's <c>deform_conv2d</c>). Where a coordinate is whole, the
/// derivative is the one to its right, as there. A coordinate that is no number gives none.
/// </summary>
/// <remarks>
/// One task is one group of channels of one sample, which alone writes what it writes: results do not depend on the number of threads. A
/// task copies its channels into maps with a border of zeros, wide enough for every neighbour of every point, and so needs no test inside.
/// All addresses are of the first sample's first element, row by row.
/// </remarks>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class DeformableSampler<T>(DeformableSizes sizes, ParallelOptions loop)
    where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly int _positions = checked((int)sizes.Positions);
    private readonly int _taps = checked((int)sizes.Geometry.Taps);
    private readonly int _groups = checked((int)sizes.OffsetGroups);
    private readonly int _channels = checked((int)(sizes.Geometry.Inputs / sizes.OffsetGroups));
    private readonly int _height = checked((int)sizes.Input.Height);
    private readonly int _width = checked((int)sizes.Input.Width);

    /// <summary>A row of a bordered map: one column before and two behind.</summary>
    private readonly int _stride = checked((int)sizes.Input.Width + 3);
    private readonly int _bordered = checked((int)((sizes.Input.Height + 3) * (sizes.Input.Width + 3)));

    /// <summary>All bordered maps of a group.</summary>
    private readonly int _elements = checked((int)((sizes.Input.Height + 3) * (sizes.Input.Width + 3) * (sizes.Geometry.Inputs / sizes.OffsetGroups)));

    /// <summary>What is read.</summary>
    /// <param name="Map"><c>[N, C, H, W]</c>.</param>
    /// <param name="Offset"><c>[N, 2 * G * K, Ho, Wo]</c>.</param>
    /// <param name="Mask"><c>[N, G * K, Ho, Wo]</c>, or 0.</param>
    internal readonly record struct Source(nint Map, nint Offset, nint Mask);

    /// <summary>Samples.</summary>
    /// <param name="source">What is read.</param>
    /// <param name="first">The first sample.</param>
    /// <param name="count">How many.</param>
    /// <param name="columns">Is overwritten: <c>[count, C * K, Ho * Wo]</c>, masked.</param>
    internal void Sample(Source source, int first, int count, nint columns) =>
        Parallel.For(0, count * _groups, loop, task => Sample(source, first + (task / _groups), task / _groups, task % _groups, (T*)columns));

    /// <summary>The derivatives of <see cref="Sample(Source, int, int, nint)"/>.</summary>
    /// <param name="source">What was read.</param>
    /// <param name="first">The first sample.</param>
    /// <param name="count">How many.</param>
    /// <param name="columns">The gradient of the columns; is overwritten with the columns.</param>
    /// <param name="gradients">Where the gradients of what was read are to lie; 0 for those that are not wanted.</param>
    internal void Differentiate(Source source, int first, int count, nint columns, Source gradients) => Parallel.For(
        0, count * _groups, loop, task => Differentiate(source, first + (task / _groups), task / _groups, task % _groups, (T*)columns, gradients));

    private void Sample(Source source, int sample, int place, int group, T* columns)
    {
        using var scratch = new Scratch(_elements, _positions, gradients: false);
        Border(source, sample, group, scratch.Maps);
        for (var tap = 0; tap < _taps; tap++)
        {
            Locate(source, sample, group, tap, scratch);
            var mask = source.Mask == 0 ? null : (T*)source.Mask + MaskRow(sample, group, tap);
            fixed (T* maps = scratch.Maps, vertical = scratch.Vertical, horizontal = scratch.Horizontal)
            fixed (int* cells = scratch.Cells)
            {
                for (var channel = 0; channel < _channels; channel++)
                {
                    var row = columns + ColumnRow(place, group, channel, tap);
                    var map = maps + (channel * _bordered);
                    for (var i = 0; i < _positions; i++)
                    {
                        var cell = map + cells[i];
                        var top = cell[0] + (horizontal[i] * (cell[1] - cell[0]));
                        var bottom = cell[_stride] + (horizontal[i] * (cell[_stride + 1] - cell[_stride]));
                        var value = top + (vertical[i] * (bottom - top));
                        row[i] = mask is null ? value : value * mask[i];
                    }
                }
            }
        }
    }

    private void Differentiate(Source source, int sample, int place, int group, T* columns, Source gradients)
    {
        using var scratch = new Scratch(_elements, _positions, gradients.Map != 0);
        Border(source, sample, group, scratch.Maps);
        for (var tap = 0; tap < _taps; tap++)
        {
            Locate(source, sample, group, tap, scratch);
            Rows rows = new(
                source.Mask == 0 ? null : (T*)source.Mask + MaskRow(sample, group, tap),
                gradients.Offset == 0 ? null : (T*)gradients.Offset + (2 * MaskRow(sample, group, tap)),
                gradients.Mask == 0 ? null : (T*)gradients.Mask + MaskRow(sample, group, tap));
            if (rows.Offset is not null) new Span<T>(rows.Offset, 2 * _positions).Clear();
            if (rows.MaskGradient is not null) new Span<T>(rows.MaskGradient, _positions).Clear();
            for (var channel = 0; channel < _channels; channel++)
                Differentiate(scratch, channel * _bordered, columns + ColumnRow(place, group, channel, tap), rows);
        }

        if (gradients.Map != 0) Unborder(scratch.Gradients, (T*)gradients.Map + MapStart(sample, group));
    }

    /// <summary>One channel and tap: spreads its gradient over the map, and adds to those of offset and mask.</summary>
    private void Differentiate(Scratch scratch, int start, T* row, Rows rows)
    {
        fixed (T* maps = scratch.Maps, spread = scratch.Gradients, vertical = scratch.Vertical, horizontal = scratch.Horizontal)
        fixed (int* cells = scratch.Cells)
        {
            for (var i = 0; i < _positions; i++)
            {
                var cell = maps + start + cells[i];
                var (y, x, mask) = (vertical[i], horizontal[i], rows.Mask is null ? T.One : rows.Mask[i]);
                var (right, rightBelow) = (cell[1] - cell[0], cell[_stride + 1] - cell[_stride]);
                var top = cell[0] + (x * right);
                var down = cell[_stride] + (x * rightBelow) - top;
                var value = top + (y * down);
                var gradient = row[i] * mask;
                if (rows.MaskGradient is not null) rows.MaskGradient[i] += row[i] * value;
                row[i] = value * mask;
                if (rows.Offset is not null)
                {
                    rows.Offset[i] += gradient * down;
                    rows.Offset[_positions + i] += gradient * (right + (y * (rightBelow - right)));
                }

                if (spread is null) continue;
                var target = spread + start + cells[i];
                var (below, belowRight) = (gradient * y, gradient * y * x);
                var aboveRight = (gradient * x) - belowRight;
                target[0] += gradient - below - aboveRight;
                target[1] += aboveRight;
                target[_stride] += below - belowRight;
                target[_stride + 1] += belowRight;
            }
        }
    }

    /// <summary>Where a tap's points lie: the neighbour above to the left in a bordered map, and how far behind it the point is.</summary>
    private void Locate(Source source, int sample, int group, int tap, Scratch scratch)
    {
        var (geometry, columns) = (sizes.Geometry, (int)sizes.Output.Width);
        var offset = (T*)source.Offset + (2 * MaskRow(sample, group, tap));
        var firstRow = (tap / geometry.Kernel.Width * geometry.Dilation.Height) - geometry.Padding.Height;
        var firstColumn = (tap % geometry.Kernel.Width * geometry.Dilation.Width) - geometry.Padding.Width;
        var (height, width) = (T.CreateChecked(_height), T.CreateChecked(_width));
        // The last corner: it and its neighbours are border.
        var outside = ((_height + 1) * _stride) + _width + 1;
        for (var (i, row) = (0, 0); i < _positions; row++)
        {
            var baseY = T.CreateChecked(firstRow + (row * geometry.Stride.Height));
            for (var column = 0; column < columns; column++, i++)
            {
                var (y, x) = (baseY + offset[i], T.CreateChecked(firstColumn + (column * geometry.Stride.Width)) + offset[_positions + i]);
                if (y >= T.NegativeOne && y < height && x >= T.NegativeOne && x < width)
                {
                    var (above, left) = (T.Floor(y), T.Floor(x));
                    scratch.Cells[i] = ((int.CreateTruncating(above) + 1) * _stride) + int.CreateTruncating(left) + 1;
                    (scratch.Vertical[i], scratch.Horizontal[i]) = (y - above, x - left);
                }
                else
                {
                    scratch.Cells[i] = outside;
                    scratch.Vertical[i] = scratch.Horizontal[i] = T.IsNaN(y) || T.IsNaN(x) ? T.NaN : T.Zero;
                }
            }
        }
    }

    /// <summary>Copies a group's channels into maps with borders, which are zeros already.</summary>
    private void Border(Source source, int sample, int group, T[] maps)
    {
        var map = (T*)source.Map + MapStart(sample, group);
        for (var i = 0; i < _channels * _height; i++)
            new ReadOnlySpan<T>(map + ((long)i * _width), _width).CopyTo(maps.AsSpan(Inner(i)));
    }

    private void Unborder(T[] maps, T* map)
    {
        for (var i = 0; i < _channels * _height; i++)
            maps.AsSpan(Inner(i), _width).CopyTo(new Span<T>(map + ((long)i * _width), _width));
    }

    /// <summary>Where a row of all channels' rows begins within its border.</summary>
    private int Inner(int row) => (row / _height * _bordered) + (((row % _height) + 1) * _stride) + 1;

    private long MapStart(int sample, int group) => (((long)sample * _groups) + group) * _channels * _height * _width;

    private long MaskRow(int sample, int group, int tap) => (((((long)sample * _groups) + group) * _taps) + tap) * _positions;

    private long ColumnRow(int place, int group, int channel, int tap) =>
        (((((((long)place * _groups) + group) * _channels) + channel) * _taps) + tap) * _positions;

    /// <summary>What one tap reads and writes beside the columns.</summary>
    private readonly struct Rows(T* mask, T* offset, T* maskGradient)
    {
        public T* Mask { get; } = mask;

        public T* Offset { get; } = offset;

        public T* MaskGradient { get; } = maskGradient;
    }

    /// <summary>What one task works with, borrowed from the pool.</summary>
    private readonly ref struct Scratch : IDisposable
    {
        internal Scratch(int elements, int positions, bool gradients)
        {
            Maps = Zeros(elements);
            Gradients = gradients ? Zeros(elements) : [];
            (Vertical, Horizontal, Cells) = (ArrayPool<T>.Shared.Rent(positions), ArrayPool<T>.Shared.Rent(positions), ArrayPool<int>.Shared.Rent(positions));
        }

        internal T[] Maps { get; }

        internal T[] Gradients { get; }

        internal T[] Vertical { get; }

        internal T[] Horizontal { get; }

        internal int[] Cells { get; }

        public void Dispose()
        {
            foreach (var array in new[] { Maps, Gradients, Vertical, Horizontal })
                if (array.Length > 0) ArrayPool<T>.Shared.Return(array);
            ArrayPool<int>.Shared.Return(Cells);
        }

        private static T[] Zeros(int count)
        {
            var array = ArrayPool<T>.Shared.Rent(count);
            array.AsSpan(0, count).Clear();
            return array;
        }
    }
}
