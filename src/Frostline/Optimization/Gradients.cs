using TorchSharp;

namespace Frostline.Optimization;

/// <summary>Measures and limits gradients.</summary>
public static class Gradients
{
    /// <summary>
    /// The Euclidean norm of each parameter's gradient, largest first; a norm that is not finite counts as the largest.
    /// </summary>
    /// <param name="parameters">The parameters; those without a gradient are left out.</param>
    public static IReadOnlyList<GradientNorm> Norms(IEnumerable<NamedParameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var norms = new List<GradientNorm>();
        foreach (var (name, parameter) in parameters)
        {
            if (parameter.grad is not { } gradient) continue;
            norms.Add(new GradientNorm(name, gradient.to(torch.float64).norm().item<double>()));
        }

        return [.. norms.OrderByDescending(n => double.IsFinite(n.Norm) ? n.Norm : double.PositiveInfinity)];
    }

    /// <summary>
    /// Scales all gradients by one factor so that their joint Euclidean norm is at most <paramref name="most"/>;
    /// <c>torch.nn.utils.clip_grad_norm_</c>.
    /// </summary>
    /// <param name="parameters">The parameters; those without a gradient are left out.</param>
    /// <param name="most">The greatest norm, above 0.</param>
    /// <returns>The norm before.</returns>
    public static double ClipByNorm(IEnumerable<NamedParameter> parameters, double most)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(most);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var gradients = parameters.Select(p => p.Parameter.grad).OfType<torch.Tensor>().ToList();
        if (gradients.Count == 0) return 0;
        var total = torch.stack(gradients.Select(g => g.norm())).norm().to(torch.float64).item<double>();
        // The small number, PyTorch's, keeps a norm of 0 from dividing by 0.
        var factor = most / (total + 1e-6);
        if (factor < 1)
        {
            using Scalar held = factor;
            foreach (var gradient in gradients) gradient.mul_(held);
        }

        return total;
    }

    /// <summary>Multiplies all gradients, for example by one over the weight that accumulated sums stand for.</summary>
    /// <param name="parameters">The parameters; those without a gradient are left out.</param>
    /// <param name="factor">The factor.</param>
    public static void Scale(IEnumerable<NamedParameter> parameters, double factor)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using Scalar held = factor;
        foreach (var (_, parameter) in parameters) parameter.grad?.mul_(held);
    }
}

/// <summary>How large a parameter's gradient is.</summary>
/// <param name="Name">The parameter.</param>
/// <param name="Norm">The Euclidean norm; NaN or infinite where the gradient is.</param>
public readonly record struct GradientNorm(string Name, double Norm);
