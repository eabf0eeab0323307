namespace Frostline.Training.Data;

/// <summary>Seeded choices of samples: a stratified split, and a limit per class.</summary>
public static class DatasetSplit
{
    /// <summary>
    /// Splits a data set in two so that every class is shared in the wanted proportion. With one label a sample, each class's
    /// share differs from the wanted one by less than a sample, and the whole by at most half a sample (largest remainders). With
    /// several, by iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", ECML
    /// PKDD 2011): the samples of the rarest class first, each to the part that lacks most of that class.
    /// </summary>
    /// <param name="dataset">The data set; one without classes is split at random.</param>
    /// <param name="fraction">The validation part's share of the samples, in (0, 1).</param>
    /// <param name="seed">The seed; the split depends on it, on the labels and on nothing else.</param>
    /// <returns>The parts, each in the order of the data set.</returns>
    /// <exception cref="FrostlineException">The fraction is not between 0 and 1, or there are fewer than two samples.</exception>
    public static (SubsetDataset Train, SubsetDataset Validation) Stratified(IDataset dataset, double fraction, long seed)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        if (!(fraction > 0 && fraction < 1))
            throw new FrostlineException(
                FormattableString.Invariant($"a split of {fraction} is not possible; give a share between 0 and 1, such as 0.2"));
        if (dataset.Count < 2) throw new FrostlineException($"a data set of {dataset.Count} samples cannot be split");
        var single = Enumerable.Range(0, dataset.Count).All(i => dataset.LabelsOf(i).Count <= 1);
        var validates = single ? ByQuota(dataset, fraction, seed) : new Stratification(dataset, fraction, seed).Run();
        List<int> train = [], validation = [];
        for (var i = 0; i < dataset.Count; i++) (validates[i] ? validation : train).Add(i);
        if (train.Count == 0 || validation.Count == 0)
            throw new FrostlineException(
                FormattableString.Invariant($"a split of {fraction} leaves one part of {dataset.Count} samples empty")
                + "; give another share or more data");
        return (new SubsetDataset(dataset, train), new SubsetDataset(dataset, validation));
    }

    /// <summary>At most a number of samples of each class, drawn from (seed, class); the order of the data set is kept.</summary>
    /// <param name="dataset">The data set, with classes.</param>
    /// <param name="perClass">
    /// The most samples of a class. A sample with several labels is kept if any of its classes drew it.
    /// </param>
    /// <param name="seed">The seed of the choice.</param>
    /// <exception cref="FrostlineException">The number is not positive, or the set has no classes.</exception>
    public static SubsetDataset PerClass(IDataset dataset, int perClass, long seed)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        if (perClass < 1) throw new FrostlineException($"{perClass} samples per class is not possible; give at least 1");
        if (dataset.Classes is not { } classes) throw new FrostlineException("a limit per class needs a data set with classes");
        var members = Enumerable.Range(0, classes.Names.Count).Select(_ => new List<int>()).ToArray();
        for (var i = 0; i < dataset.Count; i++)
            foreach (var label in dataset.LabelsOf(i)) members[label].Add(i);
        var kept = new SortedSet<int>();
        for (var k = 0; k < members.Length; k++)
        {
            var shuffled = members[k].ToArray();
            new CounterRandom(seed, $"per-class:{classes.Names[k]}").Shuffle<int>(shuffled);
            kept.UnionWith(shuffled.Take(perClass));
        }

        return new SubsetDataset(dataset, [.. kept]);
    }

    private static bool[] ByQuota(IDataset dataset, double fraction, long seed)
    {
        var random = new CounterRandom(seed, "split");
        var groups = Enumerable.Range(0, dataset.Count)
            .GroupBy(i => dataset.LabelsOf(i) is [var label] ? label : -1)
            .OrderBy(g => g.Key)
            .Select(g => g.ToArray())
            .ToArray();
        foreach (var group in groups) random.Shuffle<int>(group);
        var quotas = groups.Select(g => (int)(g.Length * fraction)).ToArray();
        var total = Math.Clamp((int)Math.Round(dataset.Count * fraction, MidpointRounding.AwayFromZero), 1, dataset.Count - 1);
        var byRemainder = Enumerable.Range(0, groups.Length).ToArray();
        random.Shuffle<int>(byRemainder);
        var missing = total - quotas.Sum();
        foreach (var g in byRemainder.OrderByDescending(g => (groups[g].Length * fraction) - quotas[g]).Take(missing).ToList())
            quotas[g]++;
        var validates = new bool[dataset.Count];
        for (var g = 0; g < groups.Length; g++)
            foreach (var sample in groups[g].Take(quotas[g])) validates[sample] = true;
        return validates;
    }

    /// <summary>The state of one iterative stratification into two parts.</summary>
    private sealed class Stratification
    {
        private readonly CounterRandom _random;
        private readonly IReadOnlyList<int>[] _labels;
        private readonly int[] _visits;
        private readonly bool?[] _inPart;
        private readonly List<int>[] _membersByClass;
        private readonly int[] _openByClass;
        private readonly double[,] _wantedByClass;
        private readonly double[] _wanted;

        public Stratification(IDataset dataset, double fraction, long seed)
        {
            _random = new CounterRandom(seed, "split");
            _labels =
                [.. Enumerable.Range(0, dataset.Count).Select(i => (IReadOnlyList<int>)[.. dataset.LabelsOf(i).Distinct()])];
            _visits = [.. Enumerable.Range(0, dataset.Count)];
            _random.Shuffle<int>(_visits);
            _inPart = new bool?[dataset.Count];
            _openByClass = new int[dataset.Classes?.Names.Count ?? 0];
            _membersByClass = [.. _openByClass.Select(_ => new List<int>())];
            foreach (var sample in _visits)
                foreach (var label in _labels[sample]) _membersByClass[label].Add(sample);
            for (var k = 0; k < _openByClass.Length; k++) _openByClass[k] = _membersByClass[k].Count;
            _wanted = [dataset.Count * (1 - fraction), dataset.Count * fraction];
            _wantedByClass = new double[_openByClass.Length, 2];
            for (var k = 0; k < _openByClass.Length; k++)
                (_wantedByClass[k, 0], _wantedByClass[k, 1]) = (_openByClass[k] * (1 - fraction), _openByClass[k] * fraction);
        }

        public bool[] Run()
        {
            while (Rarest() is { } rarest)
            {
                foreach (var sample in _membersByClass[rarest])
                    if (_inPart[sample] is null) Assign(sample, _wantedByClass[rarest, 1] - _wantedByClass[rarest, 0]);
            }

            foreach (var sample in _visits)
                if (_inPart[sample] is null) Assign(sample, 0);
            return [.. _inPart.Select(p => p!.Value)];
        }

        private int? Rarest()
        {
            int? rarest = null;
            for (var k = 0; k < _openByClass.Length; k++)
                if (_openByClass[k] > 0 && (rarest is null || _openByClass[k] < _openByClass[rarest.Value])) rarest = k;
            return rarest;
        }

        private void Assign(int sample, double lack)
        {
            if (Math.Abs(lack) < 1e-9) lack = _wanted[1] - _wanted[0];
            var part = Math.Abs(lack) < 1e-9 ? _random.NextInt32(2) : lack > 0 ? 1 : 0;
            _inPart[sample] = part == 1;
            _wanted[part]--;
            foreach (var label in _labels[sample])
            {
                _openByClass[label]--;
                _wantedByClass[label, part]--;
            }
        }
    }
}
