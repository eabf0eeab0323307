using Frostline.Cli.Commands;
using Frostline.Testing;
using Xunit;

namespace Frostline.Cli.Tests.Commands;

public sealed class RunFoldersTests
{
    [Fact]
    public void A_run_is_never_written_over_and_the_latest_is_resumed()
    {
        using var folder = new TemporaryFolder();
        var recipe = folder.PathOf("ants.yaml");
        string At(bool resume) => Path.GetRelativePath(folder.Path, RunFolders.Default(recipe, resume, folder.Path));

        Assert.Equal(Path.Combine("runs", "ants"), At(resume: false));
        Assert.Equal(Path.Combine("runs", "ants"), At(resume: true));
        Directory.CreateDirectory(folder.PathOf("runs/ants"));
        Assert.Equal(Path.Combine("runs", "ants-2"), At(resume: false));
        Assert.Equal(Path.Combine("runs", "ants"), At(resume: true));
        Directory.CreateDirectory(folder.PathOf("runs/ants-2"));
        Assert.Equal(Path.Combine("runs", "ants-3"), At(resume: false));
        Assert.Equal(Path.Combine("runs", "ants-2"), At(resume: true));
    }
}
