using System.Runtime.InteropServices;

namespace Frostline.Checkpoints.Pickle;

/// <summary>
/// The stack machine of Python's pickle (protocols 2 to 5), reduced to data. It has no way to call anything: a name is
/// looked up in the allow-list of <see cref="PickleConstructors"/>, whose entries build values of this library, and every
/// other name is refused with its place. It does not recurse, and pays for every value from the limits of its context.
/// </summary>
internal sealed class PickleMachine
{
    // Estimated sizes of what opcodes make, in bytes.
    private const int SmallCost = 24;
    private const int ContainerCost = 96;
    private const int EntryCost = 112;
    private const int SlotCost = 16;

    private readonly PickleContext _context;
    private readonly Func<object?, int, object?> _persistent;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _at;

    private PickleMachine(PickleContext context, Func<object?, int, object?> persistent)
    {
        _context = context;
        _persistent = persistent;
    }

    /// <summary>Reads one pickle.</summary>
    /// <param name="bytes">Begins with the pickle; may go on after its end.</param>
    /// <param name="context">Names and limits.</param>
    /// <param name="persistent">Gives the object of a persistent id (a storage); takes the id, which may be any value, and its offset.</param>
    /// <param name="length">How long the pickle was.</param>
    /// <returns>The value.</returns>
    /// <exception cref="CheckpointException">The pickle is damaged, refused, or costs too much.</exception>
    public static object? Load(ReadOnlySpan<byte> bytes, PickleContext context, Func<object?, int, object?> persistent, out int length)
    {
        var machine = new PickleMachine(context, persistent);
        var reader = new PickleReader(bytes, context);
        while (true)
        {
            machine._at = reader.Position;
            var opcode = (PickleOpcode)reader.ReadByte();
            if (opcode == PickleOpcode.Stop) break;
            if (!machine.Constant(opcode, ref reader) && !machine.Text(opcode, ref reader) && !machine.Collect(opcode)
                && !machine.Memory(opcode, ref reader) && !machine.Construct(opcode, ref reader))
            {
                var name = Enum.IsDefined(opcode) ? $"the opcode {opcode}" : $"the unknown opcode 0x{(byte)opcode:x2}";
                throw context.Refuse(name, "Frostline reads what torch.save writes by default (protocols 2 to 4)", machine._at);
            }
        }

        length = reader.Position;
        var value = machine.Pop();
        if (machine._stack.Count > 0 || machine._marks.Count > 0) throw context.Error("values left over", machine._at);
        return value;
    }

    private bool Constant(PickleOpcode opcode, ref PickleReader reader)
    {
        switch (opcode)
        {
            case PickleOpcode.None: Push(null); return true;
            case PickleOpcode.NewTrue: Push(true); return true;
            case PickleOpcode.NewFalse: Push(false); return true;
            case PickleOpcode.BinInt: Push((long)reader.ReadInt32()); return true;
            case PickleOpcode.BinInt1: Push((long)reader.ReadByte()); return true;
            case PickleOpcode.BinInt2: Push((long)reader.ReadUInt16()); return true;
            case PickleOpcode.Long1: Push(reader.ReadInteger(reader.ReadByte())); return true;
            case PickleOpcode.Long4: Push(reader.ReadInteger(reader.ReadUInt32())); return true;
            case PickleOpcode.BinFloat: Push(reader.ReadDouble()); return true;
            case PickleOpcode.EmptyDict: Push(new PickleDict(), ContainerCost); return true;
            case PickleOpcode.EmptyList: Push(new PickleList(), ContainerCost); return true;
            case PickleOpcode.EmptySet: Push(new PickleSet(), ContainerCost); return true;
            case PickleOpcode.EmptyTuple: Push(new PickleTuple([])); return true;
            default: return false;
        }
    }

    private bool Text(PickleOpcode opcode, ref PickleReader reader)
    {
        switch (opcode)
        {
            case PickleOpcode.BinUnicode: Push(reader.ReadText(reader.ReadUInt32())); return true;
            case PickleOpcode.ShortBinUnicode: Push(reader.ReadText(reader.ReadByte())); return true;
            case PickleOpcode.BinUnicode8: Push(reader.ReadText(reader.ReadUInt64())); return true;
            case PickleOpcode.BinBytes: Push(reader.ReadBytes(reader.ReadUInt32())); return true;
            case PickleOpcode.ShortBinBytes: Push(reader.ReadBytes(reader.ReadByte())); return true;
            case PickleOpcode.BinBytes8 or PickleOpcode.ByteArray8: Push(reader.ReadBytes(reader.ReadUInt64())); return true;
            case PickleOpcode.BinString: Push(reader.ReadOldText(reader.ReadUInt32())); return true;
            case PickleOpcode.ShortBinString: Push(reader.ReadOldText(reader.ReadByte())); return true;
            default: return false;
        }
    }

    private bool Collect(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.Tuple: Push(new PickleTuple(PopToMark())); return true;
            case PickleOpcode.Tuple1: Push(new PickleTuple(Pop(1))); return true;
            case PickleOpcode.Tuple2: Push(new PickleTuple(Pop(2))); return true;
            case PickleOpcode.Tuple3: Push(new PickleTuple(Pop(3))); return true;
            case PickleOpcode.List: Fill(new PickleList(), PopToMark(), push: true); return true;
            case PickleOpcode.Dict: Fill(new PickleDict(), PopToMark(), push: true); return true;
            case PickleOpcode.FrozenSet: Fill(new PickleSet(), PopToMark(), push: true); return true;
            case PickleOpcode.Append: FillTop(Pop(1), opcode); return true;
            case PickleOpcode.SetItem: FillTop(Pop(2), opcode); return true;
            case PickleOpcode.Appends or PickleOpcode.SetItems or PickleOpcode.AddItems: FillTop(PopToMark(), opcode); return true;
            default: return false;
        }
    }

    private bool Memory(PickleOpcode opcode, ref PickleReader reader)
    {
        switch (opcode)
        {
            case PickleOpcode.Mark:
                _context.Charge(SlotCost, _at);
                _marks.Add(_stack.Count);
                return true;
            case PickleOpcode.Pop:
                // As in Python: with nothing since the last mark, POP removes the mark.
                if (_marks.Count > 0 && _marks[^1] == _stack.Count) _marks.RemoveAt(_marks.Count - 1);
                else Pop();
                return true;
            case PickleOpcode.PopMark: PopToMark(); return true;
            case PickleOpcode.Dup: Push(Peek()); return true;
            case PickleOpcode.BinGet: Push(Recall(reader.ReadByte())); return true;
            case PickleOpcode.LongBinGet: Push(Recall(reader.ReadUInt32())); return true;
            case PickleOpcode.BinPut: Remember(reader.ReadByte()); return true;
            case PickleOpcode.LongBinPut: Remember(reader.ReadUInt32()); return true;
            case PickleOpcode.Memoize: Remember((uint)_memo.Count); return true;
            case PickleOpcode.Frame: reader.ReadUInt64(); return true;
            case PickleOpcode.Proto:
                var protocol = reader.ReadByte();
                if (protocol > 5) throw _context.Error($"protocol {protocol}, which is unknown,", _at);
                return true;
            default: return false;
        }
    }

    private bool Construct(PickleOpcode opcode, ref PickleReader reader)
    {
        switch (opcode)
        {
            case PickleOpcode.Global:
                var module = reader.ReadLine();
                Push(PickleConstructors.Find(module, reader.ReadLine(), _context, _at), ContainerCost);
                return true;
            case PickleOpcode.StackGlobal:
                if (Pop(2) is not [string space, string name]) throw _context.Error("a global without a name", _at);
                Push(PickleConstructors.Find(space, name, _context, _at), ContainerCost);
                return true;
            case PickleOpcode.Reduce or PickleOpcode.NewObj:
                var call = Pop(2);
                if (call is not [PickleConstructor constructor, PickleTuple arguments])
                    throw _context.Error($"{opcode} of something that is no class", _at);
                Push(constructor.Build(new PickleCall(constructor.Name, arguments.Items, _context, _at)), ContainerCost);
                return true;
            case PickleOpcode.Build:
                var state = Pop();
                PickleConstructors.SetState(Peek(), state, _context, _at);
                return true;
            case PickleOpcode.BinPersId:
                Push(_persistent(Pop(), _at));
                return true;
            default: return false;
        }
    }

    private void FillTop(object?[] items, PickleOpcode opcode)
    {
        var fits = Peek() switch
        {
            PickleList => opcode is PickleOpcode.Append or PickleOpcode.Appends,
            PickleSet => opcode is PickleOpcode.AddItems,
            PickleDict => opcode is PickleOpcode.SetItem or PickleOpcode.SetItems,
            _ => false,
        };
        if (!fits) throw _context.Error($"{opcode} on a value that cannot take it", _at);
        Fill(Peek()!, items, push: false);
    }

    private void Fill(object container, object?[] items, bool push)
    {
        if (push) Push(container, ContainerCost);
        switch (container)
        {
            case PickleList list: list.Items.AddRange(items); break;
            case PickleSet set: set.Items.AddRange(items); break;
            case PickleDict dict:
                if (items.Length % 2 != 0) throw _context.Error("a key without a value", _at);
                _context.Charge(EntryCost * (long)items.Length / 2, _at);
                for (var i = 0; i < items.Length; i += 2) dict.Set(items[i], items[i + 1]);
                break;
            default: break;
        }

        _context.Charge(SlotCost * (long)items.Length, _at);
    }

    private void Push(object? value, int cost = SmallCost)
    {
        _context.Charge(cost + SlotCost, _at);
        _stack.Add(value);
    }

    private object? Pop()
    {
        var value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private object? Peek()
    {
        if (_stack.Count <= (_marks.Count > 0 ? _marks[^1] : 0)) throw _context.Error("an opcode without its operand", _at);
        return _stack[^1];
    }

    private object?[] Pop(int count)
    {
        if (_stack.Count - count < (_marks.Count > 0 ? _marks[^1] : 0))
            throw _context.Error("an opcode without its operands", _at);
        return Cut(_stack.Count - count);
    }

    private object?[] PopToMark()
    {
        if (_marks.Count == 0) throw _context.Error("an opcode without its mark", _at);
        var mark = _marks[^1];
        _marks.RemoveAt(_marks.Count - 1);
        return Cut(mark);
    }

    private object?[] Cut(int from)
    {
        _context.Charge((SlotCost * (long)(_stack.Count - from)) + SmallCost, _at);
        var items = CollectionsMarshal.AsSpan(_stack)[from..].ToArray();
        _stack.RemoveRange(from, _stack.Count - from);
        return items;
    }

    private object? Recall(uint index) =>
        _memo.TryGetValue(index, out var value) ? value : throw _context.Error($"a reference to value {index}, which was not kept,", _at);

    private void Remember(uint index)
    {
        _context.Charge(EntryCost, _at);
        _memo[index] = Peek();
    }
}
