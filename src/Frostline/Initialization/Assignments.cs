using Frostline.Checkpoints;

namespace Frostline.Initialization;

/// <summary>How one tensor gets its value; checked when it is created, carried out by <see cref="PlanWriter"/>.</summary>
internal abstract record Assignment;

/// <summary>As constructed.</summary>
internal sealed record KeepAssignment : Assignment;

/// <summary>From a checkpoint; adapted where the file's shape is another.</summary>
internal sealed record LoadAssignment(Checkpoint Checkpoint, TensorInfo Source, Adaptation? Adaptation) : Assignment;

/// <summary>From another tensor of the network, once that one has its value.</summary>
internal sealed record CopyAssignment(PlannedTensor From, Adaptation? Adaptation) : Assignment;

/// <summary>One value.</summary>
internal sealed record SetAssignment(double Value, string? Reason) : Assignment
{
    public static SetAssignment Checked(string rule, PlannedTensor tensor, double value, string? reason)
    {
        Representable.Check(rule, tensor, value);
        return new SetAssignment(value, reason);
    }
}

/// <summary>By an initializer.</summary>
internal sealed record DrawAssignment(Initializer Initializer) : Assignment
{
    public static DrawAssignment Checked(string rule, PlannedTensor tensor, Initializer initializer)
    {
        if (initializer is Constant constant)
            Representable.Check(rule, tensor, constant.Value);
        else if (!Elements.IsFloat(tensor.Info.Type))
            throw new InitializationException(
                $"{rule}: {tensor.Name} has elements of type {tensor.Info.Type}, which only a constant suits");
        try
        {
            initializer.Check(tensor.Target);
        }
        catch (InitializationException error)
        {
            throw new InitializationException($"{rule}: {error.Message}", error);
        }

        if (tensor.Info.ByteCount > Array.MaxLength || (!initializer.IsElementwise && tensor.Info.ElementCount > Array.MaxLength))
            throw new InitializationException(
                $"{rule}: {tensor.Name} {tensor.Info.ShapeText} is too large to be drawn (2 GB are the most)");
        return new DrawAssignment(initializer);
    }
}

/// <summary>Whether a value can be stored.</summary>
internal static class Representable
{
    public static void Check(string rule, PlannedTensor tensor, double value)
    {
        Span<byte> element = stackalloc byte[8];
        try
        {
            Elements.FromDouble([value], tensor.Info.Type, element[..tensor.Info.Type.Size()]);
        }
        catch (ArgumentException error)
        {
            throw new InitializationException(
                $"{rule}: {tensor.Name} has elements of type {tensor.Info.Type}, into which the value does not fit", error);
        }
    }
}
