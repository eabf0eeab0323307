using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Frostline.Vision.Data;

namespace Frostline.Vision.Pose;

/// <summary>What a video is.</summary>
/// <param name="Width">The width in pixels, as it is to be shown.</param>
/// <param name="Height">The height in pixels, as it is to be shown.</param>
/// <param name="FrameRate">How many frames a second it has on average; null for a folder, or where the file does not say it.</param>
/// <param name="Frames">How many frames it has; null where the file does not say it.</param>
public sealed record VideoInfo(int Width, int Height, double? FrameRate, int? Frames);

/// <summary>
/// Videos by the programs <c>ffprobe</c> and <c>ffmpeg</c> (5.1 or newer), started with a list of arguments, so that no character of a path means
/// anything, and read from their standard output to its end.
/// </summary>
internal static class Ffmpeg
{
    private const int LongestLine = 64;

    /// <summary>What a file says of its first video.</summary>
    /// <exception cref="FrostlineException">The file does not exist or is no video, or ffprobe is not installed.</exception>
    public static VideoInfo Probe(string path)
    {
        if (!File.Exists(path)) throw new FrostlineException($"the video {path} does not exist");
        using var program = Start(
            "ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_streams", "-of", "json", System.IO.Path.GetFullPath(path));
        var errors = program.StandardError.ReadToEndAsync();
        var output = program.StandardOutput.ReadToEnd();
        program.WaitForExit();
        if (program.ExitCode != 0) throw Failed(path, errors);
        try
        {
            using var document = JsonDocument.Parse(output);
            foreach (var stream in document.RootElement.GetProperty("streams").EnumerateArray()) return InfoOf(stream);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new FrostlineException($"{path}: what ffprobe says of it is not understood; ffmpeg 5.1 or newer is needed", error);
        }

        throw new FrostlineException($"{path} has no video");
    }

    /// <summary>The frames of a file's first video as it is to be shown, decoded ahead by no more than the system's pipe holds.</summary>
    /// <exception cref="FrostlineException">The file cannot be decoded, or ffmpeg is not installed.</exception>
    public static IEnumerable<ImageField> Frames(string path, CancellationToken cancellation)
    {
        // PPM says each picture's size, which a turned video has otherwise than its file.
        using var program = Start(
            "ffmpeg", "-v", "error", "-nostdin", "-i", System.IO.Path.GetFullPath(path), "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "image2pipe", "-c:v",
            "ppm", "-pix_fmt", "rgb24", "pipe:1");
        var errors = program.StandardError.ReadToEndAsync(CancellationToken.None);
        using var ended = cancellation.Register(() => End(program));
        try
        {
            using var stream = new BufferedStream(program.StandardOutput.BaseStream, 1 << 16);
            while (ReadFrame(stream, path, cancellation) is { } frame) yield return frame;
            program.WaitForExit();
            cancellation.ThrowIfCancellationRequested();
            if (program.ExitCode != 0) throw Failed(path, errors);
        }
        finally
        {
            // Whoever stops in the middle of a video does not wait for its end.
            End(program);
        }
    }

    private static ImageField? ReadFrame(Stream stream, string path, CancellationToken cancellation)
    {
        try
        {
            if (Line(stream) is not { } magic) return null;
            if (magic != "P6") throw new InvalidDataException(magic);
            var size = (Line(stream) ?? "").Split(' ');
            if (size.Length != 2 || Line(stream) != "255") throw new InvalidDataException(magic);
            var (width, height) = (int.Parse(size[0], NumberStyles.None, CultureInfo.InvariantCulture), int.Parse(size[1], NumberStyles.None, CultureInfo.InvariantCulture));
            if (width < 1 || height < 1 || (long)width * height > ImageFile.MostPixels) throw new InvalidDataException(magic);
            var pixels = GC.AllocateUninitializedArray<byte>(checked(width * height * 3));
            stream.ReadExactly(pixels);
            return new ImageField(pixels, height, width, 3);
        }
        catch (Exception error) when (error is InvalidDataException or FormatException or OverflowException or EndOfStreamException)
        {
            cancellation.ThrowIfCancellationRequested();
            throw new FrostlineException($"{path}: ffmpeg ended in the middle of a frame; the file is damaged, or memory or time is short", error);
        }
    }

    /// <summary>A line of a PPM header; null at the end of the stream.</summary>
    private static string? Line(Stream stream)
    {
        Span<char> line = stackalloc char[LongestLine];
        for (var length = 0; length < line.Length; length++)
        {
            var next = stream.ReadByte();
            if (next < 0) return length == 0 ? null : throw new EndOfStreamException();
            if (next == '\n') return line[..length].ToString();
            line[length] = (char)next;
        }

        throw new InvalidDataException("no PPM");
    }

    private static VideoInfo InfoOf(JsonElement stream)
    {
        var (width, height) = (stream.GetProperty("width").GetInt32(), stream.GetProperty("height").GetInt32());
        var turned = stream.TryGetProperty("side_data_list", out var list)
            && list.EnumerateArray().Any(data => data.TryGetProperty("rotation", out var angle) && Math.Abs(angle.GetDouble()) % 180 == 90);
        var frames = stream.TryGetProperty("nb_read_packets", out var packets)
            && int.TryParse(packets.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0 ? count : (int?)null;
        var rate = stream.TryGetProperty("avg_frame_rate", out var fraction) ? RateOf(fraction.GetString()!) : null;
        return turned ? new VideoInfo(height, width, rate, frames) : new VideoInfo(width, height, rate, frames);
    }

    /// <summary>A rate as ffprobe writes it, <c>30000/1001</c>; null for 0/0.</summary>
    private static double? RateOf(string fraction)
    {
        double[] parts = [.. fraction.Split('/').Select(part => double.Parse(part, CultureInfo.InvariantCulture))];
        return parts is [> 0, > 0] ? parts[0] / parts[1] : null;
    }

    /// <summary>Starts a program whose output is read.</summary>
    /// <exception cref="FrostlineException">It is not installed.</exception>
    internal static Process Start(string name, params string[] arguments)
    {
        var start = new ProcessStartInfo(name) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new FrostlineException(
                $"the program {name}, which reads videos, is not installed; install ffmpeg (Debian: apt-get install ffmpeg, macOS: brew install ffmpeg, Windows: "
                + "winget install ffmpeg), or give a folder of frames",
                error);
        }
    }

    private static void End(Process program)
    {
        try
        {
            program.Kill();
        }
        catch (Exception error) when (error is InvalidOperationException or Win32Exception)
        {
            // It has ended by itself.
        }
    }

    private static FrostlineException Failed(string path, Task<string> errors)
    {
        var lines = errors.GetAwaiter().GetResult().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return new FrostlineException($"{path} is no video that ffmpeg reads ({lines.LastOrDefault() ?? "it does not say why"}); give another file, or a folder of frames");
    }
}
