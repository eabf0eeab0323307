using System.Reflection;
using System.Reflection.Emit;
using TorchSharp;
using Xunit;

namespace Frostline.Cli.Tests.Architecture;

/// <summary>
/// TorchSharp does not keep a <see cref="Scalar"/> alive while libtorch reads it. So Frostline's code makes one only into a
/// variable (<c>using Scalar one = 1;</c>), and calls nothing of TorchSharp that makes one inside.
/// </summary>
public sealed class HeldNumbersTests
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<int, OpCode> s_codes = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value & 0xFFFF);

    private static readonly Lazy<HashSet<MethodBase>> s_makers = new(FindMakers);

    [Theory]
    [InlineData("Frostline.Core")]
    [InlineData("Frostline.Training")]
    [InlineData("Frostline.Vision")]
    [InlineData("frostline")]
    public void No_number_for_libtorch_can_be_collected_during_the_call(string assembly) =>
        Assert.Empty(Methods(Assembly.Load(assembly)).SelectMany(Offences));

    [Fact]
    public void Calls_that_make_numbers_are_seen()
    {
        // A walk that missed code would find everything clean.
        var tensor = typeof(torch.Tensor);
        Assert.Contains(tensor.GetMethod("add", [tensor])!, s_makers.Value);
        Assert.Contains(typeof(TorchSharp.Modules.SGD).GetMethod("step")!, s_makers.Value);
        Assert.DoesNotContain(tensor.GetMethod("mul", [tensor])!, s_makers.Value);
        Assert.DoesNotContain(tensor.GetMethod("add", [tensor, typeof(Scalar)])!, s_makers.Value);
        Assert.Equal(2, Offences(((Func<torch.Tensor, torch.Tensor>)Careless).Method).Count());
        Assert.Empty(Offences(((Func<torch.Tensor, torch.Tensor>)Careful).Method));
    }

    private static torch.Tensor Careless(torch.Tensor x) => x.mul(0.5) + x;

    private static torch.Tensor Careful(torch.Tensor x)
    {
        using Scalar half = 0.5;
        return x.mul(half);
    }

    private static IEnumerable<string> Offences(MethodBase method)
    {
        foreach (var (target, isStored) in Calls(method))
        {
            if (MakesNumber(target) ? !isStored : s_makers.Value.Contains(target))
                yield return $"{method.DeclaringType}.{method.Name} -> {target.DeclaringType}.{target}";
        }
    }

    private static bool MakesNumber(MethodBase method) => method is MethodInfo { ReturnType: var type } && type == typeof(Scalar);

    /// <summary>The methods of TorchSharp that make a number, themselves or in what they call, virtual calls left aside.</summary>
    private static HashSet<MethodBase> FindMakers()
    {
        var callers = Methods(typeof(Scalar).Assembly)
            .SelectMany(method => Calls(method).Select(call => (method, call.Target)))
            .ToLookup(pair => pair.Target, pair => pair.method);
        var makers = new HashSet<MethodBase>();
        var open = new Queue<MethodBase>(callers.Select(group => group.Key).Where(MakesNumber));
        while (open.TryDequeue(out var method))
        {
            foreach (var caller in callers[method])
            {
                if (makers.Add(caller)) open.Enqueue(caller);
            }
        }

        return makers;
    }

    private static IEnumerable<MethodBase> Methods(Assembly assembly) => assembly.GetTypes().SelectMany(type =>
        type.GetMethods(Declared).Concat<MethodBase>(type.GetConstructors(Declared)));

    /// <summary>What a method calls or takes the address of, and whether the result goes straight into a variable.</summary>
    private static IEnumerable<(MethodBase Target, bool IsStored)> Calls(MethodBase method)
    {
        var code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        for (var at = 0; at < code.Length;)
        {
            var operation = OperationAt(code, ref at);
            var isMember = operation.OperandType is OperandType.InlineMethod or OperandType.InlineTok;
            var token = isMember ? BitConverter.ToInt32(code, at) : 0;
            at += SizeOfOperand(operation, code, at);
            if (!isMember || Resolve(method, token) is not { } target) continue;
            var next = at;
            var following = next < code.Length ? OperationAt(code, ref next).Name! : "";
            yield return (target, following.StartsWith("stloc", StringComparison.Ordinal));
        }
    }

    private static OpCode OperationAt(byte[] code, ref int at)
    {
        int value = code[at++];
        return s_codes[value == 0xFE ? 0xFE00 | code[at++] : value];
    }

    private static int SizeOfOperand(OpCode operation, byte[] code, int at) => operation.OperandType switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
        _ => 4,
    };

    /// <summary>The definition of the method that a token stands for; null for a type or a field.</summary>
    private static MethodBase? Resolve(MethodBase method, int token)
    {
        var types = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        var own = method.IsGenericMethod ? method.GetGenericArguments() : null;
        var target = method.Module.ResolveMember(token, types, own) as MethodBase;
        return target is MethodInfo { IsGenericMethod: true } generic ? generic.GetGenericMethodDefinition() : target;
    }
}
