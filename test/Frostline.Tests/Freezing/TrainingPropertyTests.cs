using CsCheck;
using Frostline.Freezing;
using Frostline.Modules;
using Frostline.Native;
using Frostline.Optimization;
using Frostline.Selection;
using Frostline.Testing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Frostline.Tests.Freezing;

/// <summary>
/// Random networks go through random sequences of changes of the plan, of modes, steps, saves and resumptions. Beside each runs a reference
/// that knows no freezing: everything requires gradients, those that the plan freezes are thrown away, the modes are set by hand before each
/// step, and the optimizer is written out in C#, number by number.
/// </summary>
[Collection(LibTorchCollection.Name)]
public sealed class TrainingPropertyTests
{
    public enum Deed
    {
        Freeze,
        Train,
        Eval,
        Step,
        Unfreeze,
        Save,
        Resume,
    }

    /// <summary>
    /// Before a norm without weights a gradient is 0 but for rounding; a small epsilon would make steps of the rounding, which differ.
    /// </summary>
    private const double Epsilon = 1e-3;

    private static readonly Gen<(int[] Layers, (Deed Deed, int Number)[] Deeds, int Optimizer)> s_cases = Gen.Select(
        Gen.Int[0, 5].Array[2, 6],
        Gen.Select(
            Gen.Frequency((3, Deed.Freeze), (2, Deed.Train), (1, Deed.Eval), (9, Deed.Step), (2, Deed.Unfreeze), (1, Deed.Save), (2, Deed.Resume)),
            Gen.Int[0, 10_000]).Array[20],
        Gen.Int[0, 2]);

    [Fact]
    public void Frozen_bits_stay_and_the_rest_is_trained_as_without_freezing() =>
        s_cases.Holds(Play, samples: 500, print: one => $"layers {string.Join(',', one.Layers)} optimizer {one.Optimizer}: {string.Join(' ', one.Deeds)}");

    private static void Play((int[] Layers, (Deed Deed, int Number)[] Deeds, int Optimizer) one)
    {
        using var subject = new Subject(one.Layers, one.Optimizer);
        using var reference = new Reference(one.Layers, one.Optimizer);
        reference.CopyFrom(subject.Network);
        var seed = 0;
        Action resume = () => { };
        foreach (var (deed, number) in one.Deeds)
        {
            using var scope = NewDisposeScope();
            switch (deed)
            {
                case Deed.Freeze or Deed.Unfreeze:
                    subject.Update(deed == Deed.Freeze ? number : null);
                    reference.Forget(subject.FrozenNames);
                    break;
                case Deed.Train or Deed.Eval:
                    foreach (var network in new[] { subject.Network, reference.Network })
                    {
                        var modules = ModuleTree.Of(network).Modules;
                        modules[number % modules.Count].Module.train(deed == Deed.Train);
                    }

                    break;
                case Deed.Step:
                    subject.Step(++seed);
                    reference.Step(seed, subject.FrozenNames, subject.HeldModules);
                    break;
                case Deed.Save:
                    var (mine, theirs) = (subject.Save(), reference.Save());
                    resume = () =>
                    {
                        subject.Resume(mine);
                        reference.Resume(theirs);
                    };
                    break;
                case Deed.Resume:
                    resume();
                    break;
            }

            subject.Check();
            AssertSame(subject.Network, reference.Network);
        }
    }

    private static void AssertSame(nn.Module one, nn.Module other)
    {
        foreach (var (mine, theirs) in ModuleTree.Of(one).DistinctTensors.Zip(ModuleTree.Of(other).DistinctTensors))
        {
            var (a, b) = (Numbers(mine.Tensor), Numbers(theirs.Tensor));
            for (var i = 0; i < a.Length; i++)
                Assert.True(Math.Abs(a[i] - b[i]) <= 1e-9 * (1 + Math.Abs(b[i])), $"{mine.Name}[{i}] is {a[i]}, and without freezing {b[i]}");
        }
    }

    private static double[] Numbers(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(float64).flatten().data<double>().ToArray();
    }

    private static LayerStack Network(int[] layers)
    {
        random.manual_seed(5);
        var network = new LayerStack(layers);
        network.to(float64);
        return network;
    }

    private static Tensor Loss(LayerStack network, int seed)
    {
        random.manual_seed(seed);
        var input = randn(6, 4, dtype: float64);
        // By forward and by call: hooks would hear of one only.
        return (seed % 2 == 0 ? network.forward(input) : network.call(input)).square().mean();
    }

    /// <summary>What is tested: a frozen model and its optimizer.</summary>
    private sealed class Subject : IDisposable
    {
        private readonly int[] _layers;
        private readonly OptimizerSettings _settings;
        private readonly Dictionary<string, byte[]> _frozenBits = new(StringComparer.Ordinal);
        private FreezePlan _plan = new();
        private FrozenModel _frozen;
        private NamedOptimizer _optimizer;

        internal Subject(int[] layers, int optimizer)
        {
            _layers = layers;
            _settings = optimizer switch
            {
                0 => Optimizers.Sgd(0.05, momentum: 0.9, weightDecay: 0.1),
                1 => Optimizers.AdamW(0.02, weightDecay: 0.1) with { Epsilon = Epsilon },
                _ => Optimizers.Adam(0.02, weightDecay: 0.1) with { Epsilon = Epsilon },
            };
            Network = Network(layers);
            _frozen = _plan.Apply(Network, allowRandom: true);
            _optimizer = _frozen.Optimizer(_settings);
        }

        internal LayerStack Network { get; private set; }

        internal HashSet<string> FrozenNames => Names(tensor => tensor is { Kind: NodeKind.Parameter, State: TensorState.Frozen });

        /// <summary>The modules that the plan keeps in inference mode, by the plan's words, not by its deeds.</summary>
        internal List<string> HeldModules =>
            [.. _frozen.Plan.Modules.Where(module => module.Norm == NormPolicy.Hold || module.Dropout == false).Select(module => module.Name)];

        internal void Update(int? number)
        {
            var names = Network.NamesWithTensors.ToList();
            var plan = new FreezePlan();
            for (var i = 0; number is { } bits && i < names.Count; i++)
            {
                // It stays trained: an optimizer with nothing to train is an error.
                if (names[i] == "last") continue;
                switch ((bits >> (2 * i)) & 3)
                {
                    case 0: plan.Freeze(names[i]); break;
                    case 1: plan.Train(names[i], NormPolicy.Hold); break;
                    case 2: plan.Parameters(names[i] + ".**", trained: true); break;
                }
            }

            try
            {
                _frozen.Update(plan);
                _plan = plan;
            }
            catch (FrostlineException error) when (error.Message.Contains("matches no parameter", StringComparison.Ordinal))
            {
                // A norm without weights: the rule is refused, and everything is as it was.
            }

            Snapshot();
        }

        internal void Step(int seed)
        {
            using var pause = FinalizerPause.Enter();
            _optimizer.ZeroGrad();
            Loss(Network, seed).backward();
            _frozen.Verify();
            _optimizer.Step();
        }

        /// <summary>Frozen bits are as they were when they were frozen, by the audit and by a copy of our own.</summary>
        internal void Check()
        {
            _frozen.Verify();
            _frozen.Audit().ThrowIfAnythingMoved();
            foreach (var (name, bits) in _frozenBits)
                Assert.True(bits.AsSpan().SequenceEqual(TensorBytes.Read(ModuleTree.Of(Network).Find(name)!.Tensor)), $"{name} moved");
        }

        internal Saved Save() => new(
            ModuleTree.Of(Network).DistinctTensors.ToDictionary(entry => entry.Name, entry => TensorBytes.Read(entry.Tensor)),
            _optimizer.State().ToDictionary(part => part.Name, part => part.Tensor.clone().DetachFromDisposeScope()),
            _plan, _frozen.Ledger.ToJson());

        /// <summary>As a new process would: another network, the values, the plan, the optimizer's state.</summary>
        internal void Resume(Saved saved)
        {
            Dispose();
            Network = Network(_layers);
            foreach (var entry in ModuleTree.Of(Network).DistinctTensors) TensorBytes.Write(entry.Tensor, saved.Tensors[entry.Name]);
            _plan = saved.Plan;
            _frozen = new FreezePlan().Apply(Network, allowRandom: true);
            _frozen.Update(_plan);
            _frozen.Continue(AuditLedger.FromJson(saved.Ledger));
            _optimizer = _frozen.Optimizer(_settings);
            Assert.Empty(_optimizer.Restore(saved.Optimizer).Dropped);
            Snapshot();
        }

        public void Dispose()
        {
            _optimizer.Dispose();
            _frozen.Dispose();
            Network.Dispose();
        }

        private void Snapshot()
        {
            var names = Names(tensor => tensor.State == TensorState.Frozen);
            foreach (var gone in _frozenBits.Keys.Except(names).ToList()) _frozenBits.Remove(gone);
            foreach (var name in names) _frozenBits[name] = TensorBytes.Read(ModuleTree.Of(Network).Find(name)!.Tensor);
        }

        private HashSet<string> Names(Func<TensorStatus, bool> which) =>
            _frozen.Plan.Tensors.Where(which).Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);

        internal sealed record Saved(Dictionary<string, byte[]> Tensors, Dictionary<string, Tensor> Optimizer, FreezePlan Plan, string Ledger);
    }

    /// <summary>The reference: plain TorchSharp modules, and the optimizers' formulas.</summary>
    private sealed class Reference(int[] layers, int optimizer) : IDisposable
    {
        private Dictionary<string, Moments> _moments = new(StringComparer.Ordinal);

        internal LayerStack Network { get; private set; } = Network(layers);

        internal void CopyFrom(nn.Module other)
        {
            foreach (var (mine, theirs) in ModuleTree.Of(Network).DistinctTensors.Zip(ModuleTree.Of(other).DistinctTensors))
                TensorBytes.Write(mine.Tensor, TensorBytes.Read(theirs.Tensor));
        }

        /// <summary>What is frozen loses its moments.</summary>
        internal void Forget(HashSet<string> names)
        {
            foreach (var name in names) _moments.Remove(name);
        }

        internal void Step(int seed, HashSet<string> frozen, List<string> held)
        {
            using var pause = FinalizerPause.Enter();
            var modes = ModuleModes.Capture(Network);
            foreach (var entry in ModuleTree.Of(Network).Modules.Where(entry => held.Contains(entry.Name))) entry.Module.train(false);
            foreach (var parameter in Network.parameters()) parameter.grad = null;
            Loss(Network, seed).backward();
            modes.Restore();
            foreach (var (name, parameter) in Network.named_parameters())
            {
                if (frozen.Contains(name) || parameter.grad is not { } gradient) continue;
                var values = Numbers(parameter);
                if (!_moments.TryGetValue(name, out var moments)) _moments[name] = moments = new Moments(values.Length);
                moments.Step(optimizer, values, Numbers(gradient));
                TensorBytes.Write(parameter, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
            }
        }

        internal (List<byte[]> Tensors, Dictionary<string, Moments> Moments) Save() =>
            ([.. ModuleTree.Of(Network).DistinctTensors.Select(entry => TensorBytes.Read(entry.Tensor))], _moments.ToDictionary(pair => pair.Key, pair => pair.Value.Copy()));

        internal void Resume((List<byte[]> Tensors, Dictionary<string, Moments> Moments) saved)
        {
            Network.Dispose();
            Network = Network(layers);
            foreach (var (entry, bytes) in ModuleTree.Of(Network).DistinctTensors.Zip(saved.Tensors)) TensorBytes.Write(entry.Tensor, bytes);
            _moments = saved.Moments.ToDictionary(pair => pair.Key, pair => pair.Value.Copy());
        }

        public void Dispose() => Network.Dispose();
    }

    /// <summary>Momentum of SGD; mean and mean square of Adam.</summary>
    private sealed class Moments(int count)
    {
        private readonly double[] _first = new double[count], _second = new double[count];
        private int _steps;

        internal void Step(int optimizer, double[] values, double[] gradients)
        {
            _steps++;
            for (var i = 0; i < values.Length; i++)
            {
                if (optimizer == 1) values[i] *= 1 - (0.02 * 0.1);
                var gradient = gradients[i] + (optimizer == 1 ? 0 : 0.1 * values[i]);
                if (optimizer == 0)
                {
                    _first[i] = _steps == 1 ? gradient : (0.9 * _first[i]) + gradient;
                    values[i] -= 0.05 * _first[i];
                    continue;
                }

                _first[i] = (0.9 * _first[i]) + (0.1 * gradient);
                _second[i] = (0.999 * _second[i]) + (0.001 * gradient * gradient);
                var mean = _first[i] / (1 - Math.Pow(0.9, _steps));
                values[i] -= 0.02 * mean / (Math.Sqrt(_second[i] / (1 - Math.Pow(0.999, _steps))) + Epsilon);
            }
        }

        internal Moments Copy()
        {
            var copy = new Moments(_first.Length) { _steps = _steps };
            _first.CopyTo(copy._first, 0);
            _second.CopyTo(copy._second, 0);
            return copy;
        }
    }
}
