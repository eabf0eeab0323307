using Frostline.Checkpoints;
using Frostline.Testing;
using Frostline.Testing.Checkpoints;
using Xunit;

namespace Frostline.Tests.Checkpoints;

/// <summary>Checkpoints in streams.</summary>
public sealed class StreamCheckpointTests
{
    private static readonly TensorSource[] s_tensors =
    [
        TensorSource.From(new("a", TensorType.Int16, [2, 3]), new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }),
        TensorSource.From(new("b", TensorType.UInt8, [200_000]), Enumerable.Range(0, 200_000).Select(i => (byte)(i * 31)).ToArray()),
    ];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_stream_reads_like_the_file_from_its_position_on(bool zip)
    {
        using var stream = new MemoryStream();
        stream.Write("before"u8);
        if (zip) PyTorchWriter.Write(stream, s_tensors);
        else SafetensorsWriter.Write(stream, s_tensors);
        stream.Position = 6;
        using var checkpoint = Checkpoint.Open(stream, "memory", leaveOpen: true);
        Assert.Equal("memory", checkpoint.Source);
        Assert.Equal(ContentHash.Of(s_tensors), checkpoint.ContentHash());
    }

    [Fact]
    public void The_format_of_a_stream_is_told_and_its_position_kept()
    {
        foreach (var sample in CheckpointSamples.All)
        {
            var file = sample.File(sample.Content);
            using var stream = new MemoryStream([1, 2, 3, .. file]) { Position = 3 };
            if (sample.Siblings is null) Assert.Equal(sample.Format, Checkpoint.Identify(stream, "stream"));
            Assert.Equal(3, stream.Position);
            Assert.Equal(sample.Format, Checkpoint.Identify(file, "memory"));
        }
    }

    [Theory]
    [InlineData("views_zip.pth")]
    [InlineData("views_legacy.pth")]
    [InlineData("nested_legacy.pth")]
    public void Views_and_wrappers_in_a_stream_are_those_of_the_file(string name)
    {
        var path = Fixtures.PathOf($"golden/checkpoints/{name}");
        using var file = Checkpoint.Open(path);
        using var stream = Checkpoint.Open(File.OpenRead(path), name);
        Assert.Equal(file.Key, stream.Key);
        Assert.Equal(file.Tensors.Select(t => t.Name), stream.Tensors.Select(t => t.Name));
        Assert.Equal(file.ContentHash(), stream.ContentHash());
    }

    [Fact]
    public void Elements_far_apart_are_gathered_in_blocks_of_bounded_size()
    {
        const int rows = 40, step = 500_000;
        var data = new byte[rows * step];
        for (var i = 0; i < rows; i++) data[i * step] = (byte)(i + 1);
        var bytes = TorchFile.Zip(p => p.Tensor("ByteStorage", "0", data.Length, 0, [rows], [step]), ("0", data));
        using var stream = new CountingStream(bytes);
        using var checkpoint = Checkpoint.Open(stream, "strided");
        checkpoint.Read("tensor");
        stream.Most = 0;
        Assert.Equal(Enumerable.Range(1, rows).Select(i => (byte)i), checkpoint.Read("tensor"));
        Assert.InRange(stream.Most, 1, 1 << 22);
    }

    [Fact]
    public void The_stream_is_disposed_with_the_checkpoint_and_where_it_does_not_open_unless_it_is_left_open()
    {
        static MemoryStream Good()
        {
            var stream = new MemoryStream();
            SafetensorsWriter.Write(stream, s_tensors);
            stream.Position = 0;
            return stream;
        }

        using var owned = Good();
        Checkpoint.Open(owned, "owned").Dispose();
        Assert.False(owned.CanRead);
        using var left = Good();
        Checkpoint.Open(left, "left", leaveOpen: true).Dispose();
        Assert.True(left.CanRead);
        using var damaged = new MemoryStream("no checkpoint"u8.ToArray());
        Assert.Throws<CheckpointException>(() => Checkpoint.Open(damaged, "damaged"));
        Assert.False(damaged.CanRead);
        using var kept = new MemoryStream("no checkpoint"u8.ToArray());
        Assert.Throws<CheckpointException>(() => Checkpoint.Open(kept, "kept", leaveOpen: true));
        Assert.True(kept.CanRead);
    }

    [Fact]
    public void Streams_that_cannot_be_used_are_refused_with_what_to_do()
    {
        using var end = new MemoryStream();
        SafetensorsWriter.Write(end, s_tensors);
        Assert.Contains("set its position", Error(end), StringComparison.Ordinal);
        using var forward = new CountingStream([1, 2, 3]) { Seeks = false };
        Assert.Contains("net: the stream cannot seek", Error(forward), StringComparison.Ordinal);
        using var empty = new MemoryStream();
        Assert.Contains("is empty", Error(empty), StringComparison.Ordinal);
        using var closed = new MemoryStream();
        closed.Dispose();
        Assert.Throws<ArgumentException>(() => Checkpoint.Open(closed, "net"));
    }

    [Fact]
    public void A_stream_that_fails_or_shrinks_is_an_error_of_the_checkpoint()
    {
        using var written = new MemoryStream();
        SafetensorsWriter.Write(written, s_tensors);
        using var stream = new CountingStream(written.ToArray());
        using var checkpoint = Checkpoint.Open(stream, "net");
        stream.SetLength(100);
        Assert.Contains("net: ", Assert.Throws<CheckpointException>(() => checkpoint.Read("b")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_archive_beyond_4_GiB_has_64_bit_fields_and_is_read_back()
    {
        // Zeros are neither kept nor written, so that the file takes no room.
        const long large = (4L << 30) + 24;
        using var stream = new SparseStream();
        PyTorchWriter.Write(
            stream,
            [
                new TensorSource(new("large", TensorType.UInt8, [large]), s =>
                {
                    var zeros = new byte[1 << 24];
                    for (var left = large - 1; left > 0; left -= zeros.Length) s.Write(zeros, 0, (int)Math.Min(left, zeros.Length));
                    s.WriteByte(7);
                }),
                s_tensors[0],
            ]);
        stream.Position = 0;
        using var checkpoint = Checkpoint.Open(stream, "large");
        Assert.Equal([large], checkpoint.Find("large").Shape);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], checkpoint.Read("a"));
        stream.Position = 0;
        using var archive = new System.IO.Compression.ZipArchive(stream, System.IO.Compression.ZipArchiveMode.Read, leaveOpen: true);
        Assert.Equal(large, archive.GetEntry("archive/data/0")!.Length);
        using var second = archive.GetEntry("archive/data/1")!.Open();
        Assert.Equal(1, second.ReadByte());
    }

    private static string Error(Stream stream) => Assert.Throws<CheckpointException>(() => Checkpoint.Open(stream, "net")).Message;

    private sealed class CountingStream(byte[] bytes) : MemoryStream
    {
        private bool _filled;

        public int Most { get; set; }

        public bool Seeks { get; init; } = true;

        public override bool CanSeek => Seeks;

        public override long Length
        {
            get
            {
                if (!_filled)
                {
                    _filled = true;
                    Write(bytes);
                    Position = 0;
                }

                return base.Length;
            }
        }

        public override int Read(Span<byte> buffer)
        {
            Most = Math.Max(Most, buffer.Length);
            return base.Read(buffer);
        }
    }

    /// <summary>Keeps only the parts that are written with something other than zeros.</summary>
    private sealed class SparseStream : Stream
    {
        private readonly SortedDictionary<long, byte[]> _parts = [];
        private long _length;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => true;

        public override long Length => _length;

        public override long Position { get; set; }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (buffer.ContainsAnyExcept((byte)0)) _parts.Add(Position, buffer.ToArray());
            Position += buffer.Length;
            _length = Math.Max(_length, Position);
        }

        public override int Read(Span<byte> buffer)
        {
            buffer = buffer[..(int)Math.Min(buffer.Length, _length - Position)];
            buffer.Clear();
            foreach (var (start, part) in _parts)
            {
                var (from, to) = (Math.Max(start, Position), Math.Min(start + part.Length, Position + buffer.Length));
                if (from < to) part.AsSpan((int)(from - start), (int)(to - from)).CopyTo(buffer[(int)(from - Position)..]);
            }

            Position += buffer.Length;
            return buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => Position,
            _ => _length,
        };

        public override void Flush()
        {
        }

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
