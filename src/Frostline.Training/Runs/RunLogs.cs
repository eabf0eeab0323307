using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Frostline.Training.Runs;

/// <summary>
/// The file <c>metrics.jsonl</c>: a JSON object a line, appended. <c>{"kind":"step"}</c> has epoch, step, loss and the learning
/// rate; <c>{"kind":"epoch"}</c> is an <see cref="EpochSummary"/>. When a training is resumed, what lies behind its checkpoint is
/// cut off.
/// </summary>
public sealed class MetricsLog : IDisposable
{
    private readonly FileStream _stream;

    /// <summary>Opens the file, and cuts it to a length.</summary>
    /// <param name="path">The file; created where it is missing.</param>
    /// <param name="length">How much of it is kept, in bytes.</param>
    public MetricsLog(string path, long length)
    {
        _stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        _stream.SetLength(Math.Min(length, _stream.Length));
        _stream.Seek(0, SeekOrigin.End);
    }

    /// <summary>How long the file is, in bytes.</summary>
    public long Length => _stream.Position;

    /// <summary>Appends the line of a step.</summary>
    /// <param name="epoch">The epoch, from 1.</param>
    /// <param name="step">The step in all, from 1.</param>
    /// <param name="loss">The mean loss of the step's batches.</param>
    /// <param name="learningRate">The base learning rate.</param>
    public void Step(int epoch, long step, double loss, double learningRate) =>
        Append(new { kind = "step", epoch, step, loss, learningRate });

    /// <summary>Appends the line of an epoch.</summary>
    /// <param name="epoch">What it gave.</param>
    public void Epoch(EpochSummary epoch)
    {
        ArgumentNullException.ThrowIfNull(epoch);
        Append(new { kind = "epoch", epoch.Epoch, epoch.Loss, epoch.Metrics, epoch.Seconds, epoch.LearningRates });
    }

    /// <summary>Sees that everything is on the disk, so that a checkpoint may refer to it.</summary>
    public void Flush() => _stream.Flush(flushToDisk: true);

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private void Append<T>(T line)
    {
        JsonSerializer.Serialize(_stream, line, RunJson.Line);
        _stream.WriteByte((byte)'\n');
    }
}

/// <summary>The file <c>log.txt</c>: a line for whatever is said, with the time in UTC; appended, also when resuming.</summary>
public sealed class RunLog : IDisposable
{
    private readonly StreamWriter _writer;

    /// <summary>Opens the file.</summary>
    /// <param name="path">The file; created where it is missing.</param>
    public RunLog(string path) =>
        _writer = new StreamWriter(
            new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read), new UTF8Encoding(false))
        {
            AutoFlush = true,
            NewLine = "\n",
        };

    /// <summary>Appends a line.</summary>
    /// <param name="message">The line.</param>
    public void Write(string message) =>
        _writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyy-MM-dd'T'HH:mm:ss'Z'} {message}"));

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();
}
