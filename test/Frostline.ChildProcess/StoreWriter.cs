using Frostline.Staging;

namespace Frostline.Children;

/// <summary>Writes records to a feature store, and says each one's number when it is there.</summary>
internal static class StoreWriter
{
    public static int Run(string root, int first, int count)
    {
        using var store = FeatureStore.Open(root, FeatureRecords.Identity, FeatureRecords.Schema);
        for (var i = first; i < first + count; i++)
        {
            if (!FeatureRecords.Write(store, i)) return 1;
            Console.WriteLine(i);
        }

        return 0;
    }
}
