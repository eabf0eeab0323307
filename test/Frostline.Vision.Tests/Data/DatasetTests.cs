using System.Buffers.Binary;
using System.IO.Compression;
using CsCheck;
using Frostline.Testing;
using Frostline.Training.Data;
using Frostline.Training.Registration;
using Frostline.Vision.Data;
using Xunit;

namespace Frostline.Vision.Tests.Data;

public sealed class DatasetTests
{
    [Fact]
    public void Folders_are_classes_in_the_order_of_their_names()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "b/2.png", "b/10.PNG", "Z/1.jpg", "a/deep/er/1.webp", "a/0.bmp.txt", ".hidden/1.png" })
        {
            if (name.EndsWith(".txt", StringComparison.Ordinal)) File.WriteAllText(Path.Combine(folder.Path, name), "x");
            else Pictures.Write(
                Pictures.Noise(3, 3),
                Path.Combine(folder.Path, name.ToLowerInvariant().Replace("z/", "Z/", StringComparison.Ordinal)));
        }

        var dataset = ImageFolder.Open(new ImageFolderOptions { Path = "." }, Pictures.Context(folder.Path));
        Assert.Equal(["Z", "a", "b"], dataset.Classes!.Names);
        Assert.Equal(["Z/1.jpg", "a/deep/er/1.webp", "b/10.png", "b/2.png"], Sources(dataset, folder.Path));
        Assert.Equal([0, 1, 2, 2], Labels(dataset));
        var sample = dataset.Read(2);
        Assert.Equal(new long[] { 2 }, sample.Fields["label"].ToTensor().Values);
        Assert.Equal([3, 3, 3], sample.Fields["image"].ToTensor().Shape);

        var some = ImageFolder.Open(new ImageFolderOptions { Path = ".", Classes = ["b", "Z"] }, Pictures.Context(folder.Path));
        Assert.Equal(["b", "Z"], some.Classes!.Names);
        Assert.Equal([0, 0, 1], Labels(some));
        var few = new ImageFolderOptions { Path = ".", Classes = ["b", "Z"], SamplesPerClass = 1 };
        Assert.Equal(2, ImageFolder.Open(few, Pictures.Context(folder.Path)).Count);

        var training = new ClassMap(["b", "other", "a", "Z"]);
        var validation = ImageFolder.Open(new ImageFolderOptions { Path = "." }, Pictures.Context(folder.Path, training));
        Assert.Same(training, validation.Classes);
        Assert.Equal([3, 2, 0, 0], Labels(validation));
    }

    [Fact]
    public void Wrong_folders_are_refused_with_what_to_do()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("does not exist", Fails("nowhere"), StringComparison.Ordinal);
        Assert.Contains("image-list", Fails("."), StringComparison.Ordinal);
        Pictures.Write(Pictures.Noise(3, 3), Path.Combine(folder.Path, "ants", "1.png"));
        Directory.CreateDirectory(Path.Combine(folder.Path, "bees"));
        Assert.Contains("has no images", Fails("."), StringComparison.Ordinal);
        Assert.Contains("\"ants\"", Fails(".", ["ant"]), StringComparison.Ordinal);
        Assert.Contains("twice", Fails(".", ["ants", "ants"]), StringComparison.Ordinal);
        Assert.Contains("training data", Assert.Throws<FrostlineException>(
            () => ImageFolder.Open(new ImageFolderOptions { Path = ".", Classes = ["ants"] }, Pictures.Context(folder.Path, new ClassMap(["ant", "bee"])))).Message, StringComparison.Ordinal);

        string Fails(string path, string[]? classes = null) => Assert.Throws<FrostlineException>(
            () => ImageFolder.Open(new ImageFolderOptions { Path = path, Classes = classes }, Pictures.Context(folder.Path))).Message;
    }

    [Fact]
    public void A_CSV_lists_images_with_one_label()
    {
        using var folder = new TemporaryFolder();
        Pictures.Write(Pictures.Noise(2, 2), Path.Combine(folder.Path, "pictures", "a, b.png"));
        File.WriteAllText(
            Path.Combine(folder.Path, "list.csv"),
            "split,path,label\r\ntrain,\"pictures/a, b.png\",\"a \"\"cat\"\"\"\r\n\r\ntrain,missing.png,dog\r\n");
        var dataset = ImageList.Open(new ImageListOptions { Path = "list.csv" }, Pictures.Context(folder.Path));
        Assert.Equal(["a \"cat\"", "dog"], dataset.Classes!.Names);
        Assert.Equal([0, 1], Labels(dataset));
        Assert.Equal([3, 2, 2], dataset.Read(0).Fields["image"].ToTensor().Shape);
        Assert.EndsWith(
            "missing.png",
            Assert.Throws<UnreadableSampleException>(() => dataset.Read(1)).SampleSource,
            StringComparison.Ordinal);
        var rooted = ImageList.Open(
            new ImageListOptions { Path = "list.csv", Root = "elsewhere", Classes = ["dog", "a \"cat\""] },
            Pictures.Context(folder.Path));
        Assert.Equal([1, 0], Labels(rooted));
        Assert.Equal(Path.Combine(folder.Path, "elsewhere", "missing.png"), rooted.SourceOf(1));
    }

    [Theory]
    [InlineData("path,labels\na.png,dog|cat\nb.png,\nc.png,dog|dog\n")]
    [InlineData("{\"path\":\"a.png\",\"labels\":[\"dog\",\"cat\"]}\n{\"path\":\"b.png\",\"labels\":[]}\n\n{\"path\":\"c.png\",\"labels\":[\"dog\"],\"more\":{}}")]
    public void Lists_may_have_several_labels(string text)
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "a", "b", "c" })
            Pictures.Write(Pictures.Noise(2, 2), Path.Combine(folder.Path, name + ".png"));
        File.WriteAllText(Path.Combine(folder.Path, "list"), text);
        var dataset = ImageList.Open(new ImageListOptions { Path = "list" }, Pictures.Context(folder.Path));
        Assert.True(dataset.Classes!.MultiLabel);
        Assert.Equal(["cat", "dog"], dataset.Classes.Names);
        Assert.Equal(new float[] { 1, 1 }, dataset.Read(0).Fields["label"].ToTensor().Values);
        Assert.Equal(new float[] { 0, 0 }, dataset.Read(1).Fields["label"].ToTensor().Values);
        Assert.Equal(new float[] { 0, 1 }, dataset.Read(2).Fields["label"].ToTensor().Values);
        Assert.Equal([2], dataset.Read(0).Fields["label"].ToTensor().Shape);
    }

    [Fact]
    public void Integer_labels_are_ordered_by_value_and_lists_may_have_none()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "list"), "{\"path\":\"a\",\"label\":10}\n{\"path\":\"b\",\"label\":9}\n");
        Assert.Equal(
            ["9", "10"],
            ImageList.Open(new ImageListOptions { Path = "list" }, Pictures.Context(folder.Path)).Classes!.Names);
        File.WriteAllText(Path.Combine(folder.Path, "list"), "path\na\nb\n");
        var plain = ImageList.Open(new ImageListOptions { Path = "list" }, Pictures.Context(folder.Path));
        Assert.Null(plain.Classes);
        Assert.Equal(2, plain.Count);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("path,label\n", "no images")]
    [InlineData("file,label\na,b\n", "list:1: the header has no column path")]
    [InlineData("path,label\na,b\nc\n", "list:3: 1 columns")]
    [InlineData("path,label\na,b\nc,\n", "list:3: the label is empty")]
    [InlineData("path,label\na,\"b\n", "list:2: a quote")]
    [InlineData("path,label,labels\na,b,c\n", "both label and labels")]
    [InlineData("{\"path\":\"a\",\"label\":\"x\"}\n{\"path\":\"a\"}", "list:2: every line")]
    [InlineData("{\"path\":\"a\",\"label\":\"x\"}\n[1]", "list:2: not a JSON object")]
    [InlineData("{\"path\":\"a\",\"label\":\"x\"", "list:1: not valid JSON")]
    [InlineData("{\"path\":\"a\",\"label\":1.5}", "list:1: a label")]
    [InlineData("{\"label\":\"x\"}", "list:1: no \"path\"")]
    public void Malformed_lists_are_refused_with_their_line(string text, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "list"), text);
        var error = Assert.Throws<FrostlineException>(
            () => ImageList.Open(new ImageListOptions { Path = "list" }, Pictures.Context(folder.Path)));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_text_is_a_list_or_a_clear_error()
    {
        var pieces = Gen.OneOf(
            "path", "label", "labels", ",", "\n", "\r\n", "\"", "{", "}", ":", "[", "]", "a.png", "|", " ", "\\ud800", "\0", "1");
        pieces.List[0, 30].Holds(
            list =>
            {
                try
                {
                    _ = ImageListParser.Parse(string.Concat(list), "list", "|");
                }
                catch (FrostlineException error)
                {
                    Assert.DoesNotContain('\n', error.Message);
                }
            },
            samples: 3000);
    }

    [Fact]
    public void CIFAR_records_are_planes_after_a_label()
    {
        using var folder = new TemporaryFolder();
        var record = new byte[3073 * 2];
        record[0] = 9;
        record[3073] = 3;
        for (var c = 0; c < 3; c++) record[3073 + 1 + (c * 1024) + (5 * 32) + 7] = (byte)(c + 1);
        File.WriteAllBytes(Path.Combine(folder.Path, "data_batch_1.bin"), record);
        File.WriteAllBytes(Path.Combine(folder.Path, "data_batch_2.bin"), record[..3073]);
        File.WriteAllBytes(Path.Combine(folder.Path, "test_batch.bin"), record[..3073]);
        var dataset = Cifar10.Open(new Cifar10Options { Path = "." }, Pictures.Context(folder.Path));
        Assert.Equal([9, 3, 9], Labels(dataset));
        Assert.Equal("data_batch_1.bin#1", dataset.SourceOf(1));
        var values = (float[])dataset.Read(1).Fields["image"].ToTensor().Values;
        for (var c = 0; c < 3; c++) Assert.Equal(c + 1, values[(c * 1024) + (5 * 32) + 7]);
        Assert.Equal("truck", dataset.Classes!.Names[9]);
        Assert.Equal(
            1,
            Cifar10.Open(new Cifar10Options { Path = ".", Part = DatasetPart.Test }, Pictures.Context(folder.Path)).Count);
        Assert.Equal(2, Cifar10.Open(new Cifar10Options { Path = "data_batch_1.bin" }, Pictures.Context(folder.Path)).Count);
        File.WriteAllBytes(Path.Combine(folder.Path, "short.bin"), record[..3000]);
        Assert.Contains(
            "whole number",
            Assert.Throws<FrostlineException>(
                () => Cifar10.Open(new Cifar10Options { Path = "short.bin" }, Pictures.Context(folder.Path))).Message,
            StringComparison.Ordinal);
        record[0] = 10;
        File.WriteAllBytes(Path.Combine(folder.Path, "wrong.bin"), record);
        Assert.Contains(
            "label 10",
            Assert.Throws<FrostlineException>(
                () => Cifar10.Open(new Cifar10Options { Path = "wrong.bin" }, Pictures.Context(folder.Path))).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void IDX_files_are_read_gzipped_or_not(bool gzipped)
    {
        using var folder = new TemporaryFolder();
        byte[] labels = [2, 0, 7, 2, 2, 0];
        var (images, marks) = (
            Write("images", [6, 2, 3], [.. Enumerable.Range(0, 36).Select(i => (byte)i)]),
            Write("labels", [6], labels));
        var all = Idx.Open(new IdxOptions { Images = images, Labels = marks }, Pictures.Context(folder.Path));
        Assert.Equal(["0", "2", "7"], all.Classes!.Names);
        Assert.Equal([1, 0, 2, 1, 1, 0], Labels(all));
        Assert.Equal(new float[] { 6, 7, 8, 9, 10, 11 }, all.Read(1).Fields["image"].ToTensor().Values);
        Assert.Equal([1, 2, 3], all.Read(1).Fields["image"].ToTensor().Shape);

        var some = Idx.Open(
            new IdxOptions
            {
                Images = images,
                Labels = marks,
                Classes = [7, 2],
                Names = ["zero", "one", "two", "3", "4", "5", "6", "seven"],
                SamplesPerClass = 2,
            },
            Pictures.Context(folder.Path));
        Assert.Equal(["seven", "two"], some.Classes!.Names);
        Assert.Equal(3, some.Count);
        Assert.Equal(2, Labels(some).Count(l => l == 1));
        Assert.Contains(
            "no label 5",
            Assert.Throws<FrostlineException>(
                () => Idx.Open(new IdxOptions { Images = images, Labels = marks, Classes = [5] }, Pictures.Context(folder.Path))).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "names ends",
            Assert.Throws<FrostlineException>(
                () => Idx.Open(new IdxOptions { Images = images, Labels = marks, Names = ["a"] }, Pictures.Context(folder.Path))).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "should be the images",
            Assert.Throws<FrostlineException>(
                () => Idx.Open(new IdxOptions { Images = marks, Labels = images }, Pictures.Context(folder.Path))).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "belong together",
            Assert.Throws<FrostlineException>(
                () => Idx.Open(new IdxOptions { Images = images, Labels = Write("five", [5], labels[..5]) }, Pictures.Context(folder.Path))).Message,
            StringComparison.Ordinal);

        string Write(string name, int[] shape, byte[] values)
        {
            var path = Path.Combine(folder.Path, name);
            using var file = File.Create(path);
            using Stream stream = gzipped ? new GZipStream(file, CompressionLevel.Fastest) : file;
            stream.Write(IdxFile(shape, values));
            return name;
        }
    }

    [Fact]
    public void Damaged_IDX_files_give_a_clear_error_and_take_no_memory()
    {
        using var folder = new TemporaryFolder();
        var plain = IdxFile([4, 3, 3], new byte[36]);
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest)) gzip.Write(plain);
        var path = Path.Combine(folder.Path, "images");
        Gen.Select(Gen.OneOf(plain, memory.ToArray()), Gen.Select(Gen.Int[0, 1000], Gen.Byte).Array[0, 4], Gen.Int[0, 60]).Holds(
            (file, changes, length) =>
            {
                byte[] damaged = [.. file];
                foreach (var (at, value) in changes) damaged[at % damaged.Length] = value;
                File.WriteAllBytes(path, damaged[..Math.Min(length, damaged.Length)]);
                var before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    _ = IdxReader.Read(path, 3);
                }
                catch (FrostlineException)
                {
                    // As promised.
                }

                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
            },
            samples: 2000);
    }

    [Fact]
    public void Recipes_can_name_all_of_it()
    {
        var registry = new Registry();
        new VisionExtension().Register(registry);
        Assert.Equal(
            ["cifar10-binary", "coco-keypoints", "idx", "image-folder", "image-list", "posetrack", "simulated-video"],
            registry.Datasets.Entries.Select(e => e.Name));
        Assert.Equal(
            [
                "center-crop", "channel-order", "channels", "color-jitter", "flip", "grayscale", "normalize", "pad",
                "pose-augment", "pose-crop", "pose-targets", "random-crop", "random-erasing", "random-resized-crop", "resize", "scale", "value-range",
            ],
            registry.Transforms.Entries.Select(e => e.Name));
        Assert.True(registry.Transforms.TryGet("resize", out var resize));
        Assert.IsType<Resize>(resize.Create(new Resize { Size = 4 }, Pictures.Context(".")));
    }

    private static byte[] IdxFile(int[] shape, byte[] values)
    {
        var file = new byte[4 + (4 * shape.Length) + values.Length];
        (file[2], file[3]) = (8, (byte)shape.Length);
        for (var i = 0; i < shape.Length; i++) BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(4 + (4 * i)), shape[i]);
        values.CopyTo(file, 4 + (4 * shape.Length));
        return file;
    }

    private static IEnumerable<int> Labels(IDataset dataset) =>
        Enumerable.Range(0, dataset.Count).Select(i => dataset.LabelsOf(i).Single());

    private static IEnumerable<string> Sources(IDataset dataset, string folder) =>
        Enumerable.Range(0, dataset.Count).Select(i => Path.GetRelativePath(folder, dataset.SourceOf(i)).Replace('\\', '/'));
}
