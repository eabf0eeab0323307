namespace Frostline.Vision.Pose;

/// <summary>
/// Annotations of people in COCO's format (cocodataset.org, keypoint detection): an object with the lists <c>images</c>, <c>annotations</c> and
/// <c>categories</c>, whose category says which joints there are, of any number.
/// </summary>
public static class CocoKeypoints
{
    /// <summary>Reads a file. What is wrong with an entry is in <see cref="PoseAnnotations.Problems"/>, and the entry is left out.</summary>
    /// <param name="path">The file.</param>
    /// <param name="imageFolder">The folder that the images' <c>file_name</c> counts from.</param>
    /// <param name="skeleton">The joints; null for those of the file's category.</param>
    /// <param name="category">
    /// The name of the category that counts, where several have different joints; null for all that have joints.
    /// </param>
    /// <exception cref="FrostlineException">
    /// The file is missing, is no JSON, lacks a list, says no joints, or has several kinds of them and no category is given.
    /// </exception>
    public static PoseAnnotations Read(string path, string imageFolder, Skeleton? skeleton = null, string? category = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(imageFolder);
        var file = JsonFile.Open(path);
        var collector = new PoseCollector(imageFolder);
        var reader = new CocoLayout(file, collector, isVideo: false, prefix: "") { Skeleton = skeleton, Category = category };
        reader.Read();
        return collector.Build(reader.Skeleton!, reader.Categories);
    }
}
