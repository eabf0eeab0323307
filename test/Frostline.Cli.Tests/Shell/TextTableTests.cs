using Frostline.Cli.Shell;
using Xunit;

namespace Frostline.Cli.Tests.Shell;

public sealed class TextTableTests
{
    [Fact]
    public void Columns_are_as_wide_as_their_widest_cell_and_numbers_end_in_line()
    {
        var table = new TextTable("name", ">bytes", "of");
        table.Add("weight", "1,024", "fc");
        table.Add("b", "8", "");
        Assert.Equal(
            """
            name    bytes  of
            -----------------
            weight  1,024  fc
            b           8

            """,
            Text(table));
    }

    [Fact]
    public void A_table_without_rows_is_nothing() => Assert.Equal("", Text(new TextTable("name")));

    [Fact]
    public void A_row_has_as_many_cells_as_there_are_columns() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new TextTable("a", "b").Add("1"));

    private static string Text(TextTable table)
    {
        using var writer = new StringWriter { NewLine = "\n" };
        table.Write(writer);
        return writer.ToString();
    }
}
