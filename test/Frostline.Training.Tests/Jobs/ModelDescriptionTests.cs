using Frostline.Checkpoints;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Training.Registration;
using Xunit;

namespace Frostline.Training.Tests.Jobs;

public sealed class ModelDescriptionTests
{
    private static readonly Registry s_registry = CreateRegistry();

    [Fact]
    public void What_is_written_reads_back_with_every_option()
    {
        var options = new NetworkOptions
        {
            Width = 8,
            Rate = 0.1,
            Half = 0.5f,
            Mode = Mode.VeryFast,
            Text = "a \"quoted\": # text\nwith é",
            Sizes = [3, 5],
            Factor = 0.25,
            Inner = new InnerOptions { Deep = true },
            Table = new Dictionary<string, double>(StringComparer.Ordinal) { ["x"] = 1e-7 },
        };
        var description = new ModelDescription(
            "0.1.0", s_registry.Networks.Item("net", options), new ClassMap(["ant", "on", "3"], MultiLabel: true), [s_registry.Transforms.Item("shift", new ShiftOptions { By = -1.5 })]);

        var read = ModelDescription.Read(WithMetadata(description.ToMetadata()), s_registry)!;

        var back = Assert.IsType<NetworkOptions>(read.Model.Options);
        Assert.Equal("net", read.Model.Name);
        Assert.Equal(
            (8, null, 0.1, 0.5f, Mode.VeryFast, options.Text, 0.25, true), (back.Width, back.Absent, back.Rate, back.Half, back.Mode, back.Text, back.Factor, back.Inner.Deep));
        Assert.Equal([3, 5], back.Sizes);
        Assert.Equal(1e-7, Assert.Single(back.Table).Value);
        Assert.Equal(description.Classes!.Names, read.Classes!.Names);
        Assert.True(read.Classes.MultiLabel);
        Assert.Equal(-1.5, Assert.IsType<ShiftOptions>(Assert.Single(read.Transform).Options).By);
        Assert.Equal(description.ToMetadata(), read.ToMetadata());
    }

    [Fact]
    public void Without_classes_there_is_no_entry_for_them()
    {
        var description = new ModelDescription("0.1.0", s_registry.Networks.Item("net"), null, []);
        Assert.DoesNotContain(ModelDescription.ClassesKey, description.ToMetadata().Keys);
        Assert.Null(ModelDescription.Read(WithMetadata(description.ToMetadata()), s_registry)!.Classes);
    }

    [Fact]
    public void A_checkpoint_of_another_program_has_none() =>
        Assert.Null(ModelDescription.Read(WithMetadata(new Dictionary<string, string>(StringComparer.Ordinal)), s_registry));

    [Theory]
    [InlineData(ModelDescription.FormatKey, "2", "format 2")]
    [InlineData(ModelDescription.ModelKey, "{\"name\": \"nett\"}", "did you mean \"net\"?")]
    [InlineData(ModelDescription.ModelKey, "{", "model.safetensors, frostline.model")]
    [InlineData(ModelDescription.ClassesKey, "{}", "model.safetensors, frostline.classes cannot be read")]
    [InlineData(ModelDescription.TransformKey, "{\"a\":", "model.safetensors, frostline.transform cannot be read")]
    public void What_cannot_be_understood_is_an_error_that_names_the_file_and_the_entry(string key, string value, string expected)
    {
        var metadata = new Dictionary<string, string>(new ModelDescription("0.1.0", s_registry.Networks.Item("net"), null, []).ToMetadata(), StringComparer.Ordinal) { [key] = value };
        var error = Assert.ThrowsAny<FrostlineException>(() => ModelDescription.Read(WithMetadata(metadata), s_registry));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("model.safetensors", error.Message, StringComparison.Ordinal);
    }

    private static Checkpoint WithMetadata(IReadOnlyDictionary<string, string> metadata)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [], metadata);
        return Checkpoint.Open(stream.ToArray(), "model.safetensors");
    }

    private static Registry CreateRegistry()
    {
        var registry = new Registry();
        registry.Networks.Register<NetworkOptions>("net", "a network", (_, _) => throw new NotSupportedException());
        registry.Transforms.Register<ShiftOptions>("shift", "a transform", (_, _) => throw new NotSupportedException());
        return registry;
    }

    public enum Mode
    {
        Slow,
        VeryFast,
    }

    public sealed class NetworkOptions
    {
        public int Width { get; set; } = 4;

        public int? Absent { get; set; }

        public double Rate { get; set; }

        public float Half { get; set; }

        public Mode Mode { get; set; }

        public string Text { get; set; } = "";

        public IReadOnlyList<int> Sizes { get; set; } = [];

        [Multiplier]
        public double Factor { get; set; } = 1;

        public InnerOptions Inner { get; set; } = new();

        public IReadOnlyDictionary<string, double> Table { get; set; } = new Dictionary<string, double>(StringComparer.Ordinal);
    }

    public sealed class InnerOptions
    {
        public bool Deep { get; set; }
    }

    public sealed class ShiftOptions
    {
        public double By { get; set; }
    }
}
