namespace Frostline.Vision.Pose;

/// <summary>Gathers images and people from one file or several, and notes what is wrong with them.</summary>
internal sealed class PoseCollector
{
    private readonly string _imageFolder;
    private readonly Dictionary<long, PoseImage> _images = [];
    private readonly List<PoseImage> _inOrder = [];
    private readonly HashSet<long> _peopleIds = [];
    private readonly List<PersonAnnotation> _people = [];
    private readonly List<string> _problems = [];

    /// <summary>Creates an empty collection.</summary>
    /// <param name="imageFolder">The folder that names of images count from.</param>
    public PoseCollector(string imageFolder) => _imageFolder = System.IO.Path.GetFullPath(imageFolder);

    /// <summary>How many images there are so far.</summary>
    public int Images => _inOrder.Count;

    /// <summary>How many people there are so far.</summary>
    public int People => _people.Count;

    /// <summary>The full path of an image.</summary>
    /// <exception cref="FaultyEntryException">The system knows no such paths.</exception>
    public string PathOf(string name)
    {
        try
        {
            return System.IO.Path.GetFullPath(name, _imageFolder);
        }
        catch (Exception error) when (error is ArgumentException or IOException or NotSupportedException)
        {
            throw new FaultyEntryException("its file name is no path");
        }
    }

    /// <summary>Reads an entry; where it is faulty, a line says so and nothing is added.</summary>
    /// <param name="name">What to call the entry.</param>
    /// <param name="read">Reads it.</param>
    public void Try(Func<string> name, Action read)
    {
        try
        {
            read();
        }
        catch (FaultyEntryException fault)
        {
            Note($"{name()}: {fault.Message}; it is left out");
        }
    }

    /// <summary>Reads the box around a person's head; where it is faulty, a line says so, and the person has none.</summary>
    /// <param name="name">What to call the person.</param>
    /// <param name="read">Reads it.</param>
    public Box? Head(Func<string> name, Func<Box?> read)
    {
        try
        {
            return read();
        }
        catch (FaultyEntryException fault)
        {
            Note($"{name()}: {fault.Message}; the person is taken without a head's box");
            return null;
        }
    }

    /// <summary>Notes a problem.</summary>
    public void Note(string problem) => _problems.Add(problem);

    /// <summary>Adds an image.</summary>
    /// <exception cref="FaultyEntryException">There is one of its id.</exception>
    public void Add(PoseImage image)
    {
        if (!_images.TryAdd(image.Id, image)) throw new FaultyEntryException("a second image of that id");
        _inOrder.Add(image);
    }

    /// <summary>Adds a person.</summary>
    /// <exception cref="FaultyEntryException">There is one of its id, its image does not exist, or its box lies outside it.</exception>
    public void Add(PersonAnnotation person)
    {
        RequireInside(person.Box, person.ImageId);
        if (!_peopleIds.Add(person.Id)) throw new FaultyEntryException("a second annotation of that id");
        _people.Add(person);
    }

    /// <summary>Refuses a box that shares nothing with its image, as far as the image's size is known.</summary>
    /// <exception cref="FaultyEntryException">It lies outside, or the image does not exist.</exception>
    public void RequireInside(Box box, long imageId)
    {
        if (!_images.TryGetValue(imageId, out var image)) throw new FaultyEntryException($"there is no image {imageId}");
        RequireInside(box, image);
    }

    /// <inheritdoc cref="RequireInside(Box, long)"/>
    public static void RequireInside(Box box, PoseImage image)
    {
        if (image.Width == 0 || image.Height == 0) return;
        if (box.X < image.Width && box.Y < image.Height && box.X + box.Width > 0 && box.Y + box.Height > 0) return;
        throw new FaultyEntryException($"the box lies outside its image of {image.Width} x {image.Height}");
    }

    /// <summary>All that was gathered.</summary>
    public PoseAnnotations Build(Skeleton skeleton, IReadOnlyList<long> categories) => new()
    {
        Skeleton = skeleton,
        Images = _inOrder,
        People = _people,
        Problems = _problems,
        Categories = categories,
    };
}
