using System.Collections;
using Frostline.Training.Recipes;
using Frostline.Training.Registration;
using Xunit;

namespace Frostline.Training.Tests.Recipes;

/// <summary>Compares settings key by key, without the writer that is under test.</summary>
internal static class DeepEquality
{
    public static void AssertSame(object? expected, object? actual, string path = "recipe")
    {
        switch (expected)
        {
            case null:
                Assert.True(actual is null, $"{path}: null became {actual}");
                break;
            case string or ValueType:
                Assert.True(expected.Equals(actual), $"{path}: {expected} became {actual}");
                break;
            case CatalogItem item:
                var other = Assert.IsAssignableFrom<CatalogItem>(actual);
                Assert.True(item.Name == other.Name, $"{path}: {item.Name} became {other.Name}");
                AssertSame(item.Options, other.Options, $"{path}({item.Name})");
                break;
            case IDictionary map:
                var otherMap = Assert.IsAssignableFrom<IDictionary>(actual);
                Assert.Equal(map.Count, otherMap.Count);
                foreach (DictionaryEntry entry in map) AssertSame(entry.Value, otherMap[entry.Key], $"{path}.{entry.Key}");
                break;
            case IEnumerable list:
                var (left, right) = (list.Cast<object>().ToList(), Assert.IsAssignableFrom<IEnumerable>(actual).Cast<object>().ToList());
                Assert.True(left.Count == right.Count, $"{path}: {left.Count} items became {right.Count}");
                for (var i = 0; i < left.Count; i++) AssertSame(left[i], right[i], $"{path}[{i}]");
                break;
            default:
                Assert.Equal(expected.GetType(), actual?.GetType());
                foreach (var key in OptionContract.Of(expected.GetType()).Keys)
                    AssertSame(key.Property.GetValue(expected), key.Property.GetValue(actual), $"{path}.{key.Name}");
                break;
        }
    }
}
