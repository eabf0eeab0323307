using Frostline.Initialization;
using Xunit;

namespace Frostline.Tests.Initialization;

public sealed class StreamingCopyTests
{
    [Fact]
    public unsafe void Every_byte_is_copied_and_none_beside_them_wherever_they_lie()
    {
        var source = Enumerable.Range(1, 200).Select(i => (byte)i).ToArray();
        var target = new byte[400];
        fixed (byte* address = target)
        {
            for (var offset = 0; offset < 64; offset++)
            {
                for (var length = 0; length <= source.Length; length += 7)
                {
                    Array.Clear(target);
                    StreamingCopy.To(source.AsSpan(offset, Math.Min(length, source.Length - offset)), address + offset);
                    var copied = Math.Min(length, source.Length - offset);
                    Assert.Equal(source.AsSpan(offset, copied), target.AsSpan(offset, copied));
                    Assert.False(target.AsSpan(0, offset).ContainsAnyExcept((byte)0));
                    Assert.False(target.AsSpan(offset + copied).ContainsAnyExcept((byte)0));
                }
            }
        }
    }
}
