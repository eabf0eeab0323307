using System.Buffers.Binary;
using Frostline.Checkpoints;
using Frostline.Initialization;
using Frostline.Modules;
using Frostline.Native;
using Frostline.Training.Data;
using Frostline.Training.Jobs;
using Frostline.Vision.Data;
using Frostline.Vision.Networks;
using TorchSharp;

namespace Frostline.Bench.Comparison;

/// <summary>Images and weights that all sides read; made once, and the same on every machine.</summary>
internal sealed class TrainingInputs(TrainingScale scale)
{
    /// <summary>The side of the grey images.</summary>
    private const int GreySide = 32;

    /// <summary>A folder of JPEG files, one folder a class.</summary>
    public string Images { get; } = Path.Combine(Repository.Artifacts, $"images-{scale.Images}-{scale.Side}");

    /// <summary>A folder with the IDX files <c>images</c> and <c>labels</c>: small grey images.</summary>
    public string Grey { get; } = Path.Combine(Repository.Artifacts, $"grey-{scale.GreyImages}-{GreySide}");

    /// <summary>
    /// A folder with the weights of a ResNet-50 for ten classes as <c>resnet50.safetensors</c> and <c>resnet50.pth</c>: drawn, with the norms'
    /// statistics estimated on images, so that what it computes is of the size that a trained network's is.
    /// </summary>
    public string Weights { get; } = Path.Combine(Repository.Artifacts, $"weights-{scale.Crop}");

    /// <summary>A folder with JPEG files of people and their joints.</summary>
    public string People { get; } = Path.Combine(Repository.Artifacts, $"people-{scale.Images}-{scale.PoseHeight}");

    /// <summary>A folder with the weights of an HRNet-W32 as <c>hrnet.safetensors</c>, drawn and calibrated likewise.</summary>
    public string PoseWeights { get; } = Path.Combine(Repository.Artifacts, $"weights-hrnet-{scale.PoseHeight}");

    /// <summary>Makes what is not there yet.</summary>
    public void Make()
    {
        Fill(Images, WriteImages);
        Fill(Grey, WriteGreyImages);
        Fill(Weights, WriteWeights);
        Fill(People, folder => PosePictures.Write(folder, scale.Images, scale.PoseHeight, scale.PoseWidth));
        Fill(PoseWeights, WritePoseWeights);
    }

    private void WriteImages(string folder) => Parallel.For(0, scale.Images, i =>
        ImageFile.Save(ClassPictures.Draw(i, scale.Side), Path.Combine(folder, $"class{i % ClassPictures.Classes}", $"{i:D5}.jpg")));

    private void WriteGreyImages(string folder)
    {
        const int size = GreySide * GreySide;
        var pixels = new byte[scale.GreyImages * size];
        Parallel.For(0, scale.GreyImages, i =>
        {
            var colours = ClassPictures.Draw(i, GreySide).Pixels;
            for (var p = 0; p < size; p++) pixels[(i * size) + p] = colours[3 * p];
        });
        WriteIdx(Path.Combine(folder, "images"), [scale.GreyImages, GreySide, GreySide], pixels);
        WriteIdx(Path.Combine(folder, "labels"), [scale.GreyImages], [.. Enumerable.Range(0, scale.GreyImages).Select(i => (byte)(i % ClassPictures.Classes))]);
    }

    private void WriteWeights(string folder)
    {
        NativeRuntime.Load();
        using var network = new ResNet(ResNetDepth.ResNet50, ClassPictures.Classes);
        new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(network, seed: 1);
        using var loader = new BatchLoader(Decoding.Images(Images), new BatchLoaderOptions { Transforms = Decoding.Transforms(scale.Crop) });
        NormCalibration.Run(network, "**", loader.Epoch(0).Take(1), batch => network.call(HostTensors.Of(batch, torch.CPU)["image"]));
        var tensors = ModuleTree.Of(network).Tensors.Select(entry => TensorBytes.SourceOf(entry.Name, entry.Tensor)).ToList();
        SafetensorsWriter.Write(Path.Combine(folder, "resnet50.safetensors"), tensors);
        PyTorchWriter.Write(Path.Combine(folder, "resnet50.pth"), tensors);
    }

    private void WritePoseWeights(string folder)
    {
        NativeRuntime.Load();
        using var network = new HRNetPose(PosePictures.Width, PosePictures.Joints);
        new InitializationPlan().Draw("**", InitializationScheme.ResNet).Apply(network, seed: 1);
        using var loader = new BatchLoader(
            Decoding.People(People), new BatchLoaderOptions { Transforms = Decoding.PeopleTransforms(scale.PoseHeight, scale.PoseWidth) });
        NormCalibration.Run(network, "**", loader.Epoch(0).Take(1), batch => network.call(HostTensors.Of(batch, torch.CPU)["image"]));
        SafetensorsWriter.Write(
            Path.Combine(folder, "hrnet.safetensors"), ModuleTree.Of(network).Tensors.Select(entry => TensorBytes.SourceOf(entry.Name, entry.Tensor)).ToList());
    }

    /// <summary>Fills a folder that is not there yet, under another name, so that it is whole or not there.</summary>
    private static void Fill(string folder, Action<string> fill)
    {
        if (Directory.Exists(folder)) return;
        var unfinished = $"{folder}.unfinished";
        if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
        Directory.CreateDirectory(unfinished);
        fill(unfinished);
        Directory.Move(unfinished, folder);
    }

    /// <summary>Writes an IDX file of bytes: two zeros, the type, the number of dimensions, the dimensions, the values.</summary>
    private static void WriteIdx(string path, int[] shape, byte[] values)
    {
        var header = new byte[4 + (4 * shape.Length)];
        (header[2], header[3]) = (8, (byte)shape.Length);
        for (var i = 0; i < shape.Length; i++) BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4 + (4 * i)), shape[i]);
        File.WriteAllBytes(path, [.. header, .. values]);
    }
}
