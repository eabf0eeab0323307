using Frostline.Staging;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Staging;

[Collection(LibTorchCollection.Name)]
public sealed class TranslationTests
{
    [Theory]
    [InlineData("", 1e-5)]
    [InlineData("_f64", 1e-12)]
    public void Values_and_gradients_are_PyTorchs(string suffix, double tolerance)
    {
        using var golden = Golden.Open("golden/warp_translate.safetensors");
        using var scope = NewDisposeScope();
        var type = suffix.Length == 0 ? float32 : float64;
        var (map, offset) = (golden["input"].to(type).requires_grad_(), golden["offset_xy"].to(type).requires_grad_());
        var moved = Run(map, offset);
        moved.backward([golden["grad_output"].to(type)]);
        golden.AssertClose($"output{suffix}", moved, tolerance);
        golden.AssertClose($"grad_input{suffix}", map.grad!, tolerance);
        golden.AssertClose($"grad_offset{suffix}", offset.grad!, tolerance);
    }

    [Fact]
    public void A_whole_translation_moves_elements_to_the_right_and_down_and_brings_zeros()
    {
        using var scope = NewDisposeScope();
        var map = tensor(Enumerable.Range(0, 40).Select(i => (double)i).ToArray()).reshape(2, 1, 4, 5);
        var moved = Run(map, tensor(new[] { 2.0, 1, 0, 0 }).reshape(2, 2));
        Assert.InRange((moved[0] - nn.functional.pad(map[0], [2, -2, 1, -1], PaddingModes.Constant, 0)).abs().max().Number(), 0, 1e-12);
        Assert.InRange((moved[1] - map[1]).abs().max().Number(), 0, 1e-12);
        Assert.Equal(0, Run(map, tensor(new[] { 9.0, 9, -9, 9 }).reshape(2, 2)).abs().max().Number());
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(4, 1)]
    public void A_map_of_one_row_or_column_moves_too(long height, long width)
    {
        using var scope = NewDisposeScope();
        var map = randn([1, 2, height, width], float64);
        var moved = Run(map, tensor(new[] { width > 1 ? 1.5 : 0.25, height > 1 ? 1.0 : 0.5 }).reshape(1, 2));
        var (right, down) = (width > 1 ? 1.5 : 0.25, height > 1 ? 1.0 : 0.5);
        for (var i = 0L; i < height; i++)
            for (var j = 0L; j < width; j++)
                Assert.Equal(At(map, i - down, j - right), moved[0, 1, i, j].Number(), 1e-12);

        double At(Tensor from, double row, double column)
        {
            var (top, left) = ((long)Math.Floor(row), (long)Math.Floor(column));
            var sum = 0.0;
            for (var (y, n) = (top, 0); n < 2; y++, n++)
                for (var (x, m) = (left, 0); m < 2; x++, m++)
                    if (y >= 0 && y < height && x >= 0 && x < width) sum += (1 - Math.Abs(row - y)) * (1 - Math.Abs(column - x)) * from[0, 1, y, x].Number();
            return sum;
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused_by_every_interpreter()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("numbers [N, 2] but gets [2, 3, 4, 5] and [1, 2]", Assert.Throws<FrostlineException>(() => Run(zeros(2, 3, 4, 5), zeros(1, 2))).Message, StringComparison.Ordinal);
        Assert.Throws<FrostlineException>(() => new CostOperations().Translate(CostOperations.Of(2, 3, 4, 5), CostOperations.Of(2, 3)));
    }

    private static Tensor Run(Tensor map, Tensor offset) =>
        EagerOperations.Unwrap(EagerOperations.Instance.Translate(EagerOperations.Wrap(map), EagerOperations.Wrap(offset)));
}
