using System.Globalization;
using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>
/// Tables of positions for another input size than the file's: resized bicubically as PyTorch's
/// <c>interpolate(mode="bicubic", align_corners=False)</c> does, in float64 and rounded once. A table is [1, positions, width], a grid
/// row by row behind its class tokens, which are copied; or [1, width, rows, columns]; or [positions, width] or [positions], a line
/// of relative positions along one axis, unless a grid or class tokens are given.
/// </summary>
public sealed record PositionTables
{
    /// <summary>A selector: the tables. Those of equal sizes are loaded as they are.</summary>
    public required string Of { get; init; }

    /// <summary>Rows and columns of the file's grid. Default: a square.</summary>
    public IReadOnlyList<long>? From { get; init; }

    /// <summary>Rows and columns of the network's grid. Default: a square.</summary>
    public IReadOnlyList<long>? To { get; init; }

    /// <summary>
    /// How many class tokens stand before the grid. Default: none where the positions are as many as the grid's, one where they are one
    /// more.
    /// </summary>
    public int? ClassTokens { get; init; }

    /// <exception cref="InitializationException">A grid has not two sizes from 1, or class tokens are negative.</exception>
    internal void Check()
    {
        foreach (var grid in new[] { From, To })
            if (grid is not null && (grid.Count != 2 || grid.Any(size => size is < 1 or > int.MaxValue)))
                throw new InitializationException($"interpolate \"{Of}\": [{string.Join(", ", grid)}] is no grid; give rows and columns");
        if (ClassTokens < 0)
            throw new InitializationException(
                string.Create(CultureInfo.InvariantCulture, $"interpolate \"{Of}\": {ClassTokens} class tokens are impossible; give 0 or more"));
    }

    /// <summary>Whether a table has to be resized: its sizes differ, or grids are given that do.</summary>
    internal bool Concerns(TensorInfo file, TensorInfo network) =>
        !file.Shape.SequenceEqual(network.Shape) || (From is not null && To is not null && !From.SequenceEqual(To));

    /// <summary>How the file's table becomes the network's, or what is in the way, to be read after the tensor's name.</summary>
    internal (Adaptation? Adaptation, string? Problem) Plan(TensorInfo file, TensorInfo network)
    {
        var shapes = $"{file.ShapeText} in the file and {network.ShapeText} in the network";
        if (file.Shape.Count != network.Shape.Count || file.Shape.Count is < 1 or > 4)
            return (null, $"is no pair of position tables, {shapes}");
        if (file.ElementCount == 0 || network.ElementCount == 0) return (null, $"has no positions, {shapes}");
        var (from, problem) = Table.Of(file.Shape, From, ClassTokens, "the file");
        if (from is null) return (null, problem);
        (var to, problem) = Table.Of(network.Shape, To, ClassTokens, "the network");
        if (to is null) return (null, problem);
        if (from.Width != to.Width) return (null, $"has vectors of other widths, {shapes}");
        if (from.Tokens != to.Tokens)
            return (null, $"has {from.Tokens} class tokens in the file and {to.Tokens} in the network, {shapes}; give class-tokens, or the grids");
        var tokens = from.Tokens switch { 0 => "", 1 => ", 1 class token kept", _ => $", {from.Tokens} class tokens kept" };
        return (new Adaptation($"interpolate, {from} to {to}{tokens}", values => Resize(values, from, to)), null);
    }

    private static double[] Resize(double[] values, Table from, Table to)
    {
        var kept = values.AsSpan(0, from.Tokens * from.Width);
        // Vectors lie behind each position, or positions behind each component.
        var (before, after) = from.ChannelsFirst ? (from.Width, 1) : (1, from.Width);
        var grid = Bicubic.Resize(values[kept.Length..], before, (from.Rows, from.Columns), (to.Rows, to.Columns), after);
        return [.. kept, .. grid];
    }

    /// <summary>How a table's elements lie.</summary>
    private sealed record Table(int Tokens, int Rows, int Columns, int Width, bool ChannelsFirst, bool IsLine)
    {
        public override string ToString() => IsLine
            ? Columns.ToString(CultureInfo.InvariantCulture)
            : string.Create(CultureInfo.InvariantCulture, $"{Rows} x {Columns}");

        public static (Table? Table, string? Problem) Of(IReadOnlyList<long> shape, IReadOnlyList<long>? grid, int? tokens, string where)
        {
            if (shape.Count >= 3 && shape[0] != 1) return (null, $"has {shape[0]} tables in {where}, not 1");
            if (shape.Count == 4)
            {
                return grid is null || grid.SequenceEqual(shape.Skip(2))
                    ? (new Table(0, (int)shape[2], (int)shape[3], (int)shape[1], ChannelsFirst: true, IsLine: false), null)
                    : (null, $"is {shape[2]} x {shape[3]} in {where}, not {grid[0]} x {grid[1]} as the rule says");
            }

            var (count, width) = shape.Count switch { 1 => (shape[0], 1L), 2 => (shape[0], shape[1]), _ => (shape[1], shape[2]) };
            if (shape.Count < 3 && grid is null && tokens is null)
                return (new Table(0, 1, (int)count, (int)width, ChannelsFirst: false, IsLine: true), null);
            return Split(count, grid, tokens) is var (before, rows, columns)
                ? (new Table(before, rows, columns, (int)width, ChannelsFirst: false, IsLine: false), null)
                : (null, grid is null
                    ? $"has {count} positions in {where}, which are no square{(tokens is null ? "" : $" behind {tokens} class tokens")}; give the grids"
                    : $"has {count} positions in {where}, which {grid[0]} x {grid[1]} do not fit{(tokens is null ? "; give class-tokens" : $" behind {tokens} class tokens")}");
        }

        private static (int Tokens, int Rows, int Columns)? Split(long count, IReadOnlyList<long>? grid, int? tokens)
        {
            foreach (var before in tokens is { } given ? new[] { given } : [0, 1])
            {
                var left = count - before;
                if (left < 1) continue;
                if (grid is not null && (Int128)grid[0] * grid[1] == left) return (before, (int)grid[0], (int)grid[1]);
                var side = (long)Math.Round(Math.Sqrt(left));
                if (grid is null && side * side == left) return (before, (int)side, (int)side);
            }

            return null;
        }
    }
}
