using Frostline.Modules;
using Frostline.Selection;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Initialization;

/// <summary>Norm statistics that were estimated anew.</summary>
/// <param name="Selector">What was selected.</param>
/// <param name="Norms">The names of the norms, in the network's order.</param>
/// <param name="Tensors">The names of their buffers: running means and variances, and counters where they have one.</param>
/// <param name="Batches">Over how many batches.</param>
public sealed record CalibratedNorms(string Selector, IReadOnlyList<string> Norms, IReadOnlyList<string> Tensors, int Batches);

/// <summary>
/// Estimates the running statistics of batch norms anew: the average over some batches of the mean and of the unbiased variance
/// that each norm sees, all batches weighing the same (a norm with <c>momentum = null</c>, as
/// <c>torch.optim.swa_utils.update_bn</c> does it). Needed where weights do not fit the statistics: drawn weights under
/// statistics of 0 and 1, or averaged weights.
/// </summary>
public static class NormCalibration
{
    /// <summary>
    /// Runs the batches through the network in inference mode, only the selected norms in training mode, without gradients; then
    /// restores every mode and momentum. Parameters do not change. On an error the statistics are as they were.
    /// </summary>
    /// <typeparam name="TBatch">What a batch is.</typeparam>
    /// <param name="network">The network.</param>
    /// <param name="selector">Which norms; other modules that it selects are ignored.</param>
    /// <param name="batches">The batches, at least one; read once, in order.</param>
    /// <param name="forward">
    /// Runs one batch through the network; called inside a dispose scope, so it may leave tensors behind.
    /// </param>
    /// <returns>What was estimated; <see cref="InitializationReport.WithCalibrated"/> records it.</returns>
    /// <exception cref="SelectionException">The selector matches nothing.</exception>
    /// <exception cref="InitializationException">
    /// It selects no norm with running statistics, one is held by a freeze plan, or there is no batch.
    /// </exception>
    public static CalibratedNorms Run<TBatch>(
        torch.nn.Module network, string selector, IEnumerable<TBatch> batches, Action<TBatch> forward)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(batches);
        ArgumentNullException.ThrowIfNull(forward);
        var tree = ModuleTree.Of(network);
        var norms = Norms(tree, selector);
        var modes = tree.Modules.Select(entry => (entry.Module, entry.Module.training)).ToList();
        var before = norms.Select(norm => new Statistics(norm.Name, norm.Module)).ToList();
        var done = false;
        try
        {
            network.eval();
            foreach (var (name, norm) in norms)
            {
                norm.train();
                if (!norm.training) throw new InitializationException(
                    $"the statistics of {name} are held by a freeze plan; calibrate norms before freezing");
                norm.reset_running_stats();
                norm.momentum = null;
            }

            var count = Forward(batches, forward);
            if (count == 0) throw new InitializationException(
                $"there is no batch to calibrate \"{selector}\" on; give at least one");
            done = true;
            return new CalibratedNorms(
                selector, [.. norms.Select(norm => norm.Name)], [.. before.SelectMany(b => b.Names)], count);
        }
        finally
        {
            foreach (var statistics in before) statistics.Restore(values: !done);
            foreach (var (module, training) in modes) module.train(training);
        }
    }

    /// <summary>What <see cref="Run"/> would estimate; nothing is run or changed.</summary>
    /// <param name="network">The network.</param>
    /// <param name="selector">Which norms; other modules that it selects are ignored.</param>
    /// <param name="batches">Over how many batches it would be.</param>
    /// <exception cref="SelectionException">The selector matches nothing.</exception>
    /// <exception cref="InitializationException">It selects no norm with running statistics.</exception>
    public static CalibratedNorms Preview(torch.nn.Module network, string selector, int batches)
    {
        ArgumentNullException.ThrowIfNull(network);
        var norms = Norms(ModuleTree.Of(network), selector);
        return new CalibratedNorms(
            selector, [.. norms.Select(norm => norm.Name)], [.. norms.SelectMany(norm => new Statistics(norm.Name, norm.Module).Names)], batches);
    }

    private static int Forward<TBatch>(IEnumerable<TBatch> batches, Action<TBatch> forward)
    {
        var count = 0;
        using var grad = torch.no_grad();
        foreach (var batch in batches)
        {
            using var scope = torch.NewDisposeScope();
            forward(batch);
            count++;
        }

        return count;
    }

    private static List<(string Name, NormBase Module)> Norms(ModuleTree tree, string selector)
    {
        var chosen = Selector.Parse(selector).Require(tree.Selection);
        var norms = new List<(string, NormBase)>();
        foreach (var entry in tree.Modules)
        {
            if (entry.AliasOf is not null || entry.Module is not NormBase { track_running_stats: true } norm) continue;
            var statistic = entry.Name.Length == 0 ? "running_mean" : $"{entry.Name}.running_mean";
            if (chosen.Modules.Contains(entry.Name) || chosen.Tensors.Contains(statistic)) norms.Add((entry.Name, norm));
        }

        return norms.Count > 0 ? norms : throw new InitializationException(
            $"\"{selector}\" selects no norm with running statistics; nothing to calibrate");
    }

    /// <summary>A norm's buffers and momentum, to be put back.</summary>
    private sealed class Statistics
    {
        private readonly NormBase _norm;
        private readonly double? _momentum;
        private readonly List<(string Name, torch.Tensor Tensor, byte[] Bytes)> _buffers;

        public Statistics(string name, NormBase norm)
        {
            _norm = norm;
            _momentum = norm.momentum;
            var prefix = name.Length == 0 ? "" : name + ".";
            _buffers = [.. ModuleTree.Of(norm).Tensors.Where(entry => entry.Kind == NodeKind.Buffer)
                .Select(entry => (prefix + entry.Name, entry.Tensor, TensorBytes.Read(entry.Tensor)))];
        }

        public IEnumerable<string> Names => _buffers.Select(buffer => buffer.Name);

        public void Restore(bool values)
        {
            _norm.momentum = _momentum;
            if (!values) return;
            foreach (var (_, tensor, bytes) in _buffers) TensorBytes.Write(tensor, bytes);
        }
    }
}
