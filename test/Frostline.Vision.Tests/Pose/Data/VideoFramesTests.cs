using System.Buffers.Binary;
using System.ComponentModel;
using System.Diagnostics;
using Frostline.Testing;
using Frostline.Vision.Pose;
using Xunit;
using TestPictures = Frostline.Vision.Tests.Data.Pictures;

namespace Frostline.Vision.Tests.Pose;

/// <summary>Frames of videos, from files and from folders.</summary>
public sealed class VideoFramesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_gives_its_images_in_the_order_of_their_names()
    {
        foreach (var (name, seed) in new[] { ("000010.png", 3), ("000002.png", 2), ("000001.png", 1) })
            TestPictures.Write(TestPictures.Noise(12, 16, seed: seed), _folder.PathOf(name));
        File.WriteAllText(_folder.PathOf("notes.txt"), "no frame");
        var video = VideoFrames.Open(_folder.Path);
        Assert.Equal(new VideoInfo(16, 12, null, 3), video.Info);
        var frames = video.Read(TestContext.Current.CancellationToken).ToList();
        Assert.Equal(["000001", "000002", "000010"], frames.Select(frame => frame.Name));
        Assert.Equal([0, 1, 2], frames.Select(frame => frame.Number));
        for (var i = 0; i < 3; i++) Assert.Equal(TestPictures.Noise(12, 16, seed: i + 1).Pixels, frames[i].Picture.Pixels);
        TestPictures.Write(TestPictures.Noise(12, 17), _folder.PathOf("000003.png"));
        video = VideoFrames.Open(_folder.Path);
        Assert.Contains("000003 is 17 x 12", Assert.Throws<FrostlineException>(() => video.Read().Count()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_video_is_refused_in_one_line()
    {
        Assert.Contains("does not exist", Assert.Throws<FrostlineException>(() => VideoFrames.Open(_folder.PathOf("none.mp4"))).Message, StringComparison.Ordinal);
        Assert.Contains("no images", Assert.Throws<FrostlineException>(() => VideoFrames.Open(_folder.Path)).Message, StringComparison.Ordinal);
        RequireFfmpeg();
        var text = _folder.PathOf("text.mp4");
        File.WriteAllText(text, "no video");
        var error = Assert.Throws<FrostlineException>(() => VideoFrames.Open(text)).Message;
        Assert.StartsWith($"{text} is no video that ffmpeg reads", error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void Where_the_program_is_missing_one_line_says_how_to_install_it()
    {
        var error = Assert.Throws<FrostlineException>(() => Ffmpeg.Start("ffmpeg-that-nobody-installed", "-version")).Message;
        Assert.StartsWith("the program ffmpeg-that-nobody-installed", error, StringComparison.Ordinal);
        Assert.Contains("apt-get install ffmpeg", error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void The_frames_of_a_video_are_those_of_the_same_clip_as_images()
    {
        RequireFfmpeg();
        var folder = Fixtures.PathOf("data/posetrack18-sample/videos/000001_mpiinew_test");
        var (video, images) = (VideoFrames.Open(Path.Combine(folder, "000001_mpiinew_test.mp4")), VideoFrames.Open(folder));
        Assert.Equal((1280, 720, 5), (images.Info.Width, images.Info.Height, images.Info.Frames));
        Assert.Equal((1280, 720, 5), (video.Info.Width, video.Info.Height, video.Info.Frames));
        Assert.InRange(video.Info.FrameRate!.Value, 1, 120);
        var frames = video.Read(TestContext.Current.CancellationToken).ToList();
        Assert.Equal(["000000", "000001", "000002", "000003", "000004"], frames.Select(frame => frame.Name));
        var clip = images.Read(TestContext.Current.CancellationToken).ToList();
        for (var i = 0; i < clip.Count; i++)
        {
            var own = Difference(clip[i], frames[i]);
            Assert.InRange(own, 0, 6);
            // Neighbours are less alike: the order is right.
            if (i > 0) Assert.True(own < Difference(clip[i - 1], frames[i]));
        }

        static double Difference(VideoFrame a, VideoFrame b)
        {
            var sum = 0L;
            for (var i = 0; i < a.Picture.Pixels.Length; i++) sum += Math.Abs(a.Picture.Pixels[i] - b.Picture.Pixels[i]);
            return (double)sum / a.Picture.Pixels.Length;
        }
    }

    [Fact]
    public void Every_frame_of_a_video_without_loss_is_there_to_the_last_also_at_an_uneven_rate()
    {
        RequireFfmpeg();
        Directory.CreateDirectory(_folder.PathOf("frames"));
        for (var i = 0; i < 30; i++) TestPictures.Write(TestPictures.Noise(40, 60, seed: i), _folder.PathOf(FormattableString.Invariant($"frames/{i:000}.png")));
        var path = _folder.PathOf("with \"quotes\" & spaces.mkv");
        // Every third frame lasts longer than the others.
        Run("-framerate", "10", "-i", _folder.PathOf("frames/%03d.png"), "-vf", "setpts='(N+floor(N/3)*4)/(10*TB)'", "-fps_mode", "passthrough", "-c:v", "ffv1", "-pix_fmt", "gbrp", path);
        var video = VideoFrames.Open(path);
        Assert.Equal((60, 40, 30), (video.Info.Width, video.Info.Height, video.Info.Frames));
        var number = 0;
        foreach (var frame in video.Read(TestContext.Current.CancellationToken))
        {
            Assert.Equal(number, frame.Number);
            Assert.Equal(TestPictures.Noise(40, 60, seed: number).Pixels, frame.Picture.Pixels);
            number++;
        }

        Assert.Equal(30, number);
        Assert.Equal(2, video.Read(TestContext.Current.CancellationToken).Take(2).Count());
        using var cancelled = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
        {
            foreach (var frame in video.Read(cancelled.Token)) if (frame.Number == 3) cancelled.Cancel();
        });
    }

    [Fact]
    public void A_turned_video_is_as_it_is_shown()
    {
        RequireFfmpeg();
        TestPictures.Write(TestPictures.Slope(40, 60), _folder.PathOf("0.png"));
        Run("-i", _folder.PathOf("0.png"), "-c:v", "mpeg4", "-q:v", "2", _folder.PathOf("plain.mp4"));
        // The matrix of the track's header lies 44 bytes behind its name: here it turns by a quarter.
        var file = File.ReadAllBytes(_folder.PathOf("plain.mp4"));
        var matrix = file.AsSpan(file.AsSpan().IndexOf("tkhd"u8) + 44);
        Span<int> quarter = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30];
        for (var i = 0; i < quarter.Length; i++) BinaryPrimitives.WriteInt32BigEndian(matrix[(4 * i)..], quarter[i]);
        File.WriteAllBytes(_folder.PathOf("turned.mp4"), file);
        var video = VideoFrames.Open(_folder.PathOf("turned.mp4"));
        Assert.Equal((40, 60), (video.Info.Width, video.Info.Height));
        var frame = Assert.Single(video.Read(TestContext.Current.CancellationToken)).Picture;
        Assert.Equal((40, 60), (frame.Width, frame.Height));
    }

    private static void Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("ffmpeg") { UseShellExecute = false, RedirectStandardError = true };
        foreach (var argument in arguments.Prepend("error").Prepend("-v").Prepend("-nostdin")) start.ArgumentList.Add(argument);
        using var program = Process.Start(start)!;
        var errors = program.StandardError.ReadToEnd();
        program.WaitForExit();
        Assert.True(program.ExitCode == 0, errors);
    }

    internal static void RequireFfmpeg()
    {
        try
        {
            using var program = Process.Start(new ProcessStartInfo("ffmpeg", "-version") { UseShellExecute = false, RedirectStandardOutput = true })!;
            program.StandardOutput.ReadToEnd();
            program.WaitForExit();
        }
        catch (Win32Exception)
        {
            Fixtures.SkipOrFail("the program ffmpeg is missing; on Debian, apt-get install ffmpeg");
        }
    }
}
