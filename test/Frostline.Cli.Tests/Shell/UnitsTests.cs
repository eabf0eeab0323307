using Frostline.Cli.Shell;
using Xunit;

namespace Frostline.Cli.Tests.Shell;

public sealed class UnitsTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1000, "1.00 kB")]
    [InlineData(1049, "1.05 kB")]
    [InlineData(9994, "9.99 kB")]
    [InlineData(9996, "10.0 kB")]
    [InlineData(123456, "123 kB")]
    [InlineData(999_499, "999 kB")]
    [InlineData(999_501, "1.00 MB")]
    [InlineData(4_941_984, "4.94 MB")]
    [InlineData(long.MaxValue, "9.22 EB")]
    public void Bytes_have_three_digits(long bytes, string text) => Assert.Equal(text, Units.Bytes(bytes));

    [Fact]
    public void Counts_have_separators() => Assert.Equal("1,235,496", Units.Count(1_235_496));
}
