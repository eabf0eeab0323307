using Frostline.Bench;
using Frostline.Bench.Comparison;

switch (args)
{
    case ["inspect", .. var files] when files.Length <= 1:
        return InspectStartup.Run(files.Length == 1 ? files[0] : null);
    case ["load"]:
        return Loading.Run();
    case ["load-once", var file]:
        return Loading.Once(file);
    case ["fingerprints"]:
        return Fingerprinting.Run();
    case ["store"]:
        return StoreReading.Run();
    case ["deformable"]:
        return DeformableConvolutions.Run();
    case ["pose-lspet", var fixtures]:
        return PretrainedPose.Run(fixtures);
    case ["pose-video", var fixtures]:
        return VideoPose.Run(fixtures);
    case ["training", .. var options]:
        return TrainingComparison.Run(options);
    case [SideProcess.Command, var side, var task]:
        return TrainingComparison.RunSide(Enum.Parse<Side>(side), task);
    default:
        Console.Error.WriteLine("""
            usage: dotnet run -c Release --project bench/Frostline.Bench -- MEASUREMENT

              inspect [FILE]   how long `frostline inspect` takes from start to end, and how much memory, as a published
                               ReadyToRun build; without FILE, of a checkpoint of 250 MB that is made for the purpose
              load             how long loading a network of 255 MB takes: from safetensors against copying the same bytes, and from
                               .pth against PyTorch (Debian's python3-torch), both processes from start to end
              fingerprints     how fast the audit takes the fingerprints of 255 MB, against reading the same memory once
              deformable       how long four modulated deformable convolutions of FAMI-Pose's sizes take, forward and backward, and how
                               much memory
              store            how fast the feature store reads records of 8 KB in random order on one thread, warm and cold, and how
                               fast it writes them
              pose-lspet FOLDER
                               what a pretrained backbone is worth to a small head for joints, against a drawn one; FOLDER has the data
                               sets lspet and posenet-mobilenet075
              pose-video FOLDER
                               a small HRNet trained from scratch, frozen under FAMI-Pose on simulated videos: what the frames around a
                               key frame add, and what moving statistics cost; FOLDER has the data set lspet
              training [--quick] [--case NAME]
                               how fast trainings with a frozen part are, and how much memory they take, against the same in plain
                               TorchSharp and in PyTorch: more than an hour; --quick only shows that everything works

            Exit code 0 where every limit holds, 1 where one does not.
            """);
        return 2;
}
