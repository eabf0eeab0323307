using System.Collections.Concurrent;
using System.Reflection;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Frostline.Training.Recipes;

/// <summary>Doc-comments of types and members, from the XML files that the compiler writes beside assemblies.</summary>
internal static class XmlDocumentation
{
    private static readonly ConcurrentDictionary<Assembly, IReadOnlyDictionary<string, XElement>> Files = new();

    /// <summary>The summary of a type as plain text; null where there is none.</summary>
    public static string? Of(Type type) => Summary(type.Assembly, $"T:{Name(type)}");

    /// <summary>The summary of a property or of an enum's member as plain text; null where there is none.</summary>
    public static string? Of(MemberInfo member) =>
        Summary(member.Module.Assembly, $"{(member is PropertyInfo ? 'P' : 'F')}:{Name(member.DeclaringType!)}.{member.Name}");

    private static string Name(Type type) => type.FullName!.Replace('+', '.');

    private static string? Summary(Assembly assembly, string id)
    {
        if (!Files.GetOrAdd(assembly, Read).TryGetValue(id, out var summary)) return null;
        var text = new StringBuilder();
        Append(summary, text);
        var line = string.Join(' ', text.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length == 0 ? null : line;
    }

    private static Dictionary<string, XElement> Read(Assembly assembly)
    {
        var file = assembly.Location.Length == 0 ? "" : Path.ChangeExtension(assembly.Location, ".xml");
        if (!File.Exists(file)) return [];
        try
        {
            using var reader = XmlReader.Create(file, new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit });
            return XDocument.Load(reader).Descendants("member")
                .Where(member => member.Attribute("name") is not null && member.Element("summary") is not null)
                .GroupBy(member => member.Attribute("name")!.Value, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => group.First().Element("summary")!, StringComparer.Ordinal);
        }
        catch (XmlException)
        {
            // A file of that name which is no documentation: there are no descriptions then.
            return [];
        }
    }

    private static void Append(XElement element, StringBuilder text)
    {
        foreach (var node in element.Nodes())
        {
            if (node is XText words)
            {
                text.Append(words.Value);
            }
            else if (node is XElement inner)
            {
                if (inner.IsEmpty) text.Append(Referred(inner));
                else Append(inner, text);
            }
        }
    }

    /// <summary>What <c>&lt;see …/&gt;</c> refers to, as a reader of recipes knows it: properties by their keys.</summary>
    private static string Referred(XElement element)
    {
        var target = (element.Attribute("cref") ?? element.Attribute("langword") ?? element.Attribute("name"))?.Value ?? "";
        var name = target.Split('(')[0].Split('.')[^1].Split(':')[^1];
        return target.Length > 1 && target[1] == ':' && target[0] is ('P' or 'F') ? OptionKey.Kebab(name) : name;
    }
}
