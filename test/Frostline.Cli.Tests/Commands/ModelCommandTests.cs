using System.Globalization;
using Frostline.Cli.Shell;
using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

/// <summary>A model that was trained once, for the commands that use one.</summary>
public sealed class TrainedModel : IDisposable
{
    public TrainedModel()
    {
        var run = CommandRun.Of("train", Project.Recipe, "--output", Project.Run);
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
    }

    internal TinyProject Project { get; } = new();

    public void Dispose() => Project.Dispose();
}

[Collection(LibTorchCollection.Name)]
public sealed class ModelCommandTests(TrainedModel trained) : IClassFixture<TrainedModel>
{
    private readonly TinyProject _project = trained.Project;

    [Fact]
    public void Predict_lists_the_most_probable_classes_of_each_image()
    {
        var run = CommandRun.Of("predict", _project.Model, "--input", _project.PathOf("val"));
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Equal(2 + (4 * 2) + 1, lines.Length);
        Assert.Matches(@"^image +rank  class  probability$", lines[0]);
        Assert.Matches(@"val.blue.4\.bmp +1  (red|blue) +[01]\.\d{4}$", lines[2]);
    }

    [Fact]
    public void Predict_as_json_and_as_csv_say_the_same()
    {
        string[] inputs = ["--top", "1", "--input", _project.PathOf("val/red"), _project.PathOf("train/blue/0.bmp")];
        var json = CommandRun.Of(["predict", _project.Model, "--json", .. inputs]).Json();
        var predictions = json.GetProperty("predictions").EnumerateArray().ToList();
        Assert.Equal("cifar-resnet20", json.GetProperty("network").GetString());
        var csv = CommandRun.Of(["predict", _project.Model, "--csv", .. inputs]).Output;
        var expected = predictions.Select(prediction =>
        {
            var top = Assert.Single(prediction.GetProperty("classes").EnumerateArray());
            var (source, name) = (prediction.GetProperty("source").GetString(), top.GetProperty("name").GetString());
            return string.Create(CultureInfo.InvariantCulture, $"{source},1,{name},{top.GetProperty("probability").GetDouble():R}");
        });
        Assert.Equal(["path,rank,class,probability", .. expected, ""], csv.Split('\n'));
        Assert.Equal(3, predictions.Count);
    }

    [Fact]
    public void Predict_agrees_with_evaluate()
    {
        var evaluation = CommandRun.Of("evaluate", _project.Recipe, "--checkpoint", _project.Model, "--json");
        Assert.Equal((ExitCodes.Success, ""), (evaluation.ExitCode, evaluation.Error));
        var accuracy = evaluation.Json().GetProperty("metrics").GetProperty("accuracy").GetDouble();
        var json = CommandRun.Of("predict", _project.Model, "--json", "--top", "1", "--input", _project.PathOf("val")).Json();
        var predictions = json.GetProperty("predictions").EnumerateArray().ToList();
        var right = predictions.Count(prediction =>
        {
            var folder = Path.GetFileName(Path.GetDirectoryName(prediction.GetProperty("source").GetString()));
            return folder == prediction.GetProperty("classes")[0].GetProperty("name").GetString();
        });
        Assert.Equal(accuracy, right / (double)predictions.Count, 12);
    }

    [Fact]
    public void Evaluate_prints_numbers_and_tables()
    {
        var run = CommandRun.Of("evaluate", _project.Recipe, "--checkpoint", _project.Model);
        Assert.Equal((ExitCodes.Success, ""), (run.ExitCode, run.Error));
        Assert.StartsWith("model.safetensors: 4 samples\n\nmetric", run.Output, StringComparison.Ordinal);
        Assert.Contains("\nconfusion-matrix\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unreadable_image_ends_prediction_by_name_or_is_left_out_when_asked()
    {
        var broken = _project.PathOf("broken.bmp");
        File.WriteAllText(broken, "no picture");
        var run = CommandRun.Of("predict", _project.Model, "--input", broken, _project.PathOf("val/red/4.bmp"));
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Matches(@"\Afrostline: [^\n]*broken\.bmp[^\n]*\n\z", run.Error);
        var skipped = CommandRun.Of(
            "predict", _project.Model, "--skip-unreadable", "--json", "--input", broken, _project.PathOf("val/red/4.bmp"));
        Assert.Equal(ExitCodes.Success, skipped.ExitCode);
        Assert.Single(skipped.Json().GetProperty("predictions").EnumerateArray());
        Assert.Matches(@"\Aleft out: [^\n]*broken\.bmp", skipped.Error);
    }

    [Theory]
    [InlineData("does not say which network it holds", "backbone.safetensors", "--input", "val")]
    [InlineData("there is no file or folder", "run/model.safetensors", "--input", "vall")]
    [InlineData("has no images", "run/model.safetensors", "--input", "run/checkpoint")]
    [InlineData("exclude each other", "run/model.safetensors", "--csv", "--json", "--input", "val")]
    public void What_cannot_be_predicted_is_one_line(string expected, params string[] args)
    {
        var paths = args.Select(arg => arg.StartsWith("--", StringComparison.Ordinal) ? arg : _project.PathOf(arg));
        var run = CommandRun.Of(["predict", .. paths]);
        Assert.Equal((ExitCodes.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Matches(@"\Afrostline: [^\n]+\n\z", run.Error);
    }
}
