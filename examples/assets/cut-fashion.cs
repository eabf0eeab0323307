// Cuts the quickstart's images out of Fashion-MNIST, as Debian's package dataset-fashion-mnist installs it:
//
//     apt-get install dataset-fashion-mnist
//     dotnet run examples/assets/cut-fashion.cs -- /usr/share/datasets/fashion-mnist examples/assets/fashion
//
// The first images of each class, in the files' order: training images from the 60,000, validation images from the 10,000.
#:package NetVips
#:package NetVips.Native.linux-x64
#:property PublishAot=false

using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using NetVips;

const int perClassTrain = 20;
const int perClassVal = 100;

var classes = new Dictionary<byte, string> { [1] = "trouser", [2] = "pullover", [4] = "coat", [6] = "shirt", [9] = "boot" };
Cut(Path.Combine(args[0], "train"), Path.Combine(args[1], "train"), perClassTrain);
Cut(Path.Combine(args[0], "t10k"), Path.Combine(args[1], "val"), perClassVal);

void Cut(string source, string target, int perClass)
{
    var images = Inflate($"{source}-images-idx3-ubyte.gz");
    var labels = Inflate($"{source}-labels-idx1-ubyte.gz");
    var height = BinaryPrimitives.ReadInt32BigEndian(images.AsSpan(8));
    var width = BinaryPrimitives.ReadInt32BigEndian(images.AsSpan(12));
    foreach (var (label, name) in classes)
    {
        var folder = Directory.CreateDirectory(Path.Combine(target, name)).FullName;
        var indices = Enumerable.Range(0, labels.Length - 8).Where(i => labels[8 + i] == label).Take(perClass);
        foreach (var index in indices)
        {
            var pixels = images.AsSpan(16 + (index * height * width), height * width).ToArray();
            using var image = Image.NewFromMemory(pixels, width, height, 1, Enums.BandFormat.Uchar);
            image.Pngsave(Path.Combine(folder, index.ToString("D5", CultureInfo.InvariantCulture) + ".png"), compression: 9);
        }
    }
}

static byte[] Inflate(string path)
{
    using var stream = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
    using var memory = new MemoryStream();
    stream.CopyTo(memory);
    return memory.ToArray();
}
