using Frostline.Staging;
using Frostline.Training.Jobs;
using TorchSharp;
using TorchSharp.Modules;

namespace Frostline.Training.Sweeps;

/// <summary>
/// Heads of trials that are single linear layers of one shape, computed together: one matrix product forward and one backward for all of them.
/// Their weights lie one behind the other along the output axis of one tensor, and each trial's own parameters are views of it, so that
/// optimizers and averages work on them as ever. Only the order in which products are summed differs from that of a head by itself.
/// </summary>
internal sealed class StackedHeads : IDisposable
{
    private readonly IReadOnlyList<(Trial Trial, Linear Layer)> _heads;
    private readonly string _input;
    private readonly string _output;
    private readonly long _width;
    private readonly torch.Tensor _weight;
    private readonly torch.Tensor? _bias;

    private StackedHeads(IReadOnlyList<(Trial Trial, LinearHead Head)> heads)
    {
        _heads = [.. heads.Select(head => (head.Trial, head.Head.Layer))];
        (_input, _output, var layer) = heads[0].Head;
        _width = layer.weight.shape[0];
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        _weight = torch.cat([.. _heads.Select(head => head.Layer.weight.detach())]).DetachFromDisposeScope();
        _bias = layer.bias is null ? null : torch.cat([.. _heads.Select(head => head.Layer.bias!.detach())]).DetachFromDisposeScope();
        for (var i = 0; i < _heads.Count; i++)
        {
            _heads[i].Layer.weight.set_(RowsOf(_weight, i));
            if (_bias is not null) _heads[i].Layer.bias!.set_(RowsOf(_bias, i));
        }
    }

    /// <summary>The trials whose heads these are.</summary>
    public IEnumerable<Trial> Trials => _heads.Select(head => head.Trial);

    /// <summary>Stacks the heads of trials.</summary>
    /// <param name="trials">The trials; each has its frozen prefix computed apart, and its network in training mode.</param>
    /// <param name="shapes">The shape of each feature, the batch included.</param>
    /// <returns>The heads; null where there are not two or more single linear layers of one shape and type.</returns>
    public static StackedHeads? Of(IReadOnlyList<Trial> trials, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        if (trials.Count < 2) return null;
        var heads = new List<(Trial Trial, LinearHead Head)>();
        foreach (var trial in trials)
        {
            if (FrozenPrefix.Find(trial.Frozen, null, out _)?.Suffix is not { } suffix || LinearHead.Find(suffix, shapes) is not { } head) return null;
            if (heads.Count > 0 && !AreAlike(heads[0].Head, head)) return null;
            heads.Add((trial, head));
        }

        return new StackedHeads(heads);
    }

    /// <summary>All trials learn from a batch.</summary>
    /// <param name="batch">The batch.</param>
    public void Train(TrainingBatch batch)
    {
        using var scope = torch.NewDisposeScope();
        var input = InputOf(batch.Features!);
        var leaves = new torch.Tensor?[_heads.Count];
        using (torch.no_grad())
        {
            var outputs = Forward(input);
            for (var i = 0; i < leaves.Length; i++) leaves[i] = OutputOf(outputs, i);
        }

        for (var i = 0; i < leaves.Length; i++)
        {
            var (trial, leaf) = (_heads[i].Trial, leaves[i]!.requires_grad_());
            var named = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal) { [_output] = leaf };
            if (!trial.IsActive || !trial.Try(course => Learn(course, batch, named))) leaves[i] = null;
        }

        Backward(input, leaves);
        for (var i = 0; i < leaves.Length; i++)
            if (leaves[i] is not null) _heads[i].Trial.Course.StepIfDue();
    }

    /// <summary>Measures a batch with all trials, without gradients.</summary>
    /// <param name="fields">Its fields.</param>
    /// <param name="features">Its features.</param>
    public void Measure(IReadOnlyDictionary<string, torch.Tensor> fields, IReadOnlyDictionary<string, torch.Tensor> features)
    {
        using var scope = torch.NewDisposeScope();
        var outputs = Forward(InputOf(features));
        for (var i = 0; i < _heads.Count; i++)
        {
            if (_heads[i].Trial.IsActive)
                _heads[i].Trial.Evaluator!.Add(fields, new Dictionary<string, torch.Tensor>(StringComparer.Ordinal) { [_output] = OutputOf(outputs, i) });
        }
    }

    /// <summary>Lets go of the common tensor; each layer keeps its part.</summary>
    public void Dispose()
    {
        _weight.Dispose();
        _bias?.Dispose();
    }

    private static void Learn(TrainingCourse course, TrainingBatch batch, IReadOnlyDictionary<string, torch.Tensor> outputs)
    {
        // The head draws nothing; a loss may.
        course.Reseed(batch.Number);
        course.Learn(batch, outputs);
    }

    private static bool AreAlike(LinearHead one, LinearHead other) =>
        (one.Input, one.Output) == (other.Input, other.Output)
        && one.Layer.weight.shape.SequenceEqual(other.Layer.weight.shape)
        && one.Layer.weight.dtype == other.Layer.weight.dtype
        && one.Layer.bias is null == other.Layer.bias is null;

    private torch.Tensor RowsOf(torch.Tensor stacked, int head) => stacked.narrow(0, head * _width, _width);

    private torch.Tensor InputOf(IReadOnlyDictionary<string, torch.Tensor> features) => features[_input].flatten(1);

    private torch.Tensor Forward(torch.Tensor input) => torch.nn.functional.linear(input, _weight, _bias);

    private torch.Tensor OutputOf(torch.Tensor outputs, int head) => outputs.narrow(1, head * _width, _width).contiguous();

    /// <summary>From the gradients of the outputs to those of the parameters, added to what waits for the next step.</summary>
    private void Backward(torch.Tensor input, torch.Tensor?[] leaves)
    {
        using var noGrad = torch.no_grad();
        var zeros = torch.zeros(input.shape[0], _width, dtype: _weight.dtype);
        var gradient = torch.cat([.. leaves.Select(leaf => leaf?.grad ?? zeros)], 1);
        var weight = gradient.t().mm(input);
        var bias = _bias is null ? null : gradient.sum([0L]);
        for (var i = 0; i < leaves.Length; i++)
        {
            if (leaves[i] is null) continue;
            Add(_heads[i].Layer.weight, RowsOf(weight, i));
            if (bias is not null) Add(_heads[i].Layer.bias!, RowsOf(bias, i));
        }
    }

    private static void Add(Parameter parameter, torch.Tensor gradient)
    {
        if (!parameter.requires_grad) return;
        using Scalar one = 1;
        if (parameter.grad is { } waiting) waiting.add_(gradient, one);
        else parameter.grad = gradient;
    }
}
