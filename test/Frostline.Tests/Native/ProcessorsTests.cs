using Frostline.Native;
using Frostline.Testing;
using Xunit;

namespace Frostline.Tests.Native;

public sealed class ProcessorsTests
{
    [Fact]
    public void Threads_of_one_core_count_once_and_packages_apart()
    {
        using var folder = new TemporaryFolder();
        // Two packages of two cores of two threads each; the numbering of cores starts anew in each package.
        for (var cpu = 0; cpu < 8; cpu++) Add(folder, cpu, package: cpu / 4, core: cpu % 2);
        // What else lies in the kernel's folder.
        Directory.CreateDirectory(folder.PathOf("cpufreq"));
        Directory.CreateDirectory(folder.PathOf("cpuidle"));
        Directory.CreateDirectory(folder.PathOf("cpu9"));
        Assert.Equal(4, Processors.CountLinux(folder.Path));
    }

    [Fact]
    public void Without_a_topology_the_logical_processors_count()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(Environment.ProcessorCount, Processors.CountLinux(folder.Path));
        Assert.Equal(Environment.ProcessorCount, Processors.CountLinux(folder.PathOf("missing")));
    }

    [Fact]
    public void There_is_at_least_one_and_never_more_than_the_process_may_use() =>
        Assert.InRange(Processors.PhysicalCores, 1, Environment.ProcessorCount);

    private static void Add(TemporaryFolder folder, int cpu, int package, int core)
    {
        var topology = Directory.CreateDirectory(folder.PathOf($"cpu{cpu}/topology")).FullName;
        File.WriteAllText(Path.Combine(topology, "physical_package_id"), $"{package}\n");
        File.WriteAllText(Path.Combine(topology, "core_id"), $"{core}\n");
    }
}
