using Frostline.Freezing;
using Frostline.Staging;
using Frostline.Testing;
using Frostline.Training.Registration;
using Frostline.Vision.Tests.Networks;
using Xunit;
using static Frostline.Testing.ImageInputs;
using static TorchSharp.torch;

namespace Frostline.Vision.Tests.Staging;

/// <summary>Brain floating point, which is tried in a child process because libtorch can end the process that tries it.</summary>
[Collection(LibTorchCollection.Name)]
public sealed class EngineProbeTests : IDisposable
{
    private readonly IReadOnlyList<string>? _before = EngineProbe.Program;

    public void Dispose() => EngineProbe.Program = _before;

    [Fact]
    public void Where_the_child_survives_results_are_near_and_where_it_dies_single_precision_is_used()
    {
        EngineProbe.Program = [ChildProcess.Host, "exec", ChildProcess.Program];
        using var bench = new Bench();
        var engine = bench.Create(EnginePrecision.Bfloat16);
        using var made = engine.Engine;
        // Whether this processor survives is not ours to say; that this process does is.
        if (made.Precision == "bfloat16")
        {
            Assert.Empty(engine.Remarks);
            Assert.InRange(engine.Error, 1e-4, PrefixEngineFactory.MostBfloat16Error);
        }
        else
        {
            Assert.Contains("exit code", Assert.Single(engine.Remarks), StringComparison.Ordinal);
            Assert.InRange(engine.Error, 0, 1e-5);
        }
    }

    [Theory]
    [InlineData("a child that divides by zero", "kill -FPE $$", "exit code 136")]
    [InlineData("one that says nothing", "cat > /dev/null", "exit code 0")]
    public void A_child_that_does_not_survive_means_single_precision_and_a_remark(string why, string script, string expected)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), $"{why} is made with a shell");
        EngineProbe.Program = ["/bin/sh", "-c", script];
        using var bench = new Bench();
        var engine = bench.Create(EnginePrecision.Bfloat16);
        using var made = engine.Engine;
        Assert.Equal("float32", made.Precision);
        Assert.Contains(expected, Assert.Single(engine.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_program_that_answers_single_precision_is_used()
    {
        EngineProbe.Program = null;
        using var bench = new Bench();
        var engine = bench.Create(EnginePrecision.Bfloat16);
        using var made = engine.Engine;
        Assert.Equal("float32", made.Precision);
        Assert.Contains("does not answer probes", Assert.Single(engine.Remarks), StringComparison.Ordinal);
        EngineProbe.Program = ["/no/such/program"];
        Assert.Contains("cannot be started", EngineProbe.Problem(bench.Prefix, Shapes(bench.Inputs), 2), StringComparison.Ordinal);
    }

    [Fact]
    public void An_engine_that_is_passed_over_is_named_with_the_reason()
    {
        using var bench = new Bench();
        var registry = new Registry().Add(new TrainingExtension());
        registry.PrefixEngines.Register<NoOptions>("broken", "always fails", (_, _) => new Broken());
        var engine = bench.Create(EnginePrecision.Float32, registry);
        using var made = engine.Engine;
        Assert.Equal("libtorch", made.Name);
        Assert.Equal(["passed over: it is broken"], engine.Remarks);
    }

    [Fact]
    public void Batches_of_any_size_are_computed_in_pieces_of_one()
    {
        using var bench = new Bench();
        using var plain = bench.Prefix.Plain();
        // Single layers without 1x1 convolutions survive everywhere; these are of 3x3 only.
        using var engine = bench.Prefix.Compile(Bench.ShapesOf(4), EnginePrecision.Bfloat16);
        using var scope = NewDisposeScope();
        foreach (var rows in new[] { 1L, 4, 7 })
        {
            var inputs = Named(DeterministicFill.Input("rows", rows, 3, 32, 32));
            var features = engine.Run(inputs);
            Assert.Equal((rows, ScalarType.Float32), (features.Values.First().shape[0], features.Values.First().dtype));
            Assert.InRange(FrozenPrefix.RelativeError(features, plain.Run(inputs)), 1e-4, 5e-2);
        }
    }

    /// <summary>The lower part of a small network.</summary>
    private sealed class Bench : IDisposable
    {
        private readonly nn.Module<Tensor, Tensor> _network = TestNetworks.Create("cifar-resnet20", 5);
        private readonly FrozenModel _frozen;
        private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

        public Bench()
        {
            DeterministicFill.Fill(_network);
            _frozen = new FreezePlan().Freeze("!(linear | layer3)").Apply(_network, allowRandom: true);
            Prefix = FrozenPrefix.Find(_frozen, null, out _)!;
            Inputs = Named(DeterministicFill.Input("probe", 4, 3, 32, 32));
        }

        public FrozenPrefix Prefix { get; }

        public Dictionary<string, Tensor> Inputs { get; }

        public static Dictionary<string, IReadOnlyList<long>> ShapesOf(long rows) => new(StringComparer.Ordinal) { ["image"] = [rows, 3, 32, 32] };

        public CheckedEngine Create(EnginePrecision precision, Registry? registry = null) =>
            (registry ?? new Registry().Add(new TrainingExtension())).PrefixEngines.Item("auto").Create(new BuildContext { Folder = "." })
                .CreateChecked(new PrefixEngineRequest(Prefix, Inputs, 4, 2, precision));

        public void Dispose()
        {
            _scope.Dispose();
            _frozen.Dispose();
            _network.Dispose();
        }
    }

    private sealed class Broken : PrefixEngineFactory
    {
        public override int Preference => 9;

        public override IPrefixEngine Create(PrefixEngineRequest request) => throw new FrostlineException("it is broken");
    }
}
