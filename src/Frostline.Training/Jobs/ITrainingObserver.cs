using Frostline.Freezing;
using Frostline.Initialization;
using Frostline.Training.Runs;

namespace Frostline.Training.Jobs;

/// <summary>
/// Is told what a training does, on the training thread, between batches. All members do nothing by default; what they throw
/// ends the training.
/// </summary>
public interface ITrainingObserver
{
    /// <summary>Something began, or is to be known: a line of the log.</summary>
    /// <param name="message">One line.</param>
    void Note(string message)
    {
    }

    /// <summary>The network is built, initialised, and the freeze plan is applied; training begins.</summary>
    /// <param name="frozen">The network with its plan.</param>
    /// <param name="initialization">Where the first values came from.</param>
    void Prepared(FrozenModel frozen, InitializationReport initialization)
    {
    }

    /// <summary>A batch is done.</summary>
    /// <param name="progress">Where the training is.</param>
    void Progress(TrainingProgress progress)
    {
    }

    /// <summary>An epoch has ended, its validation included.</summary>
    /// <param name="epoch">What it gave.</param>
    /// <param name="isBest">Whether it is the best so far.</param>
    void EpochEnded(EpochSummary epoch, bool isBest)
    {
    }
}

/// <summary>What a training is doing.</summary>
public enum TrainingActivity
{
    /// <summary>Running statistics of norms are estimated on training data.</summary>
    Calibrate,

    /// <summary>Training.</summary>
    Train,

    /// <summary>Validating.</summary>
    Validate,
}

/// <summary>Where a training is.</summary>
/// <param name="Activity">What it is doing.</param>
/// <param name="Epoch">The epoch, from 1; 0 before the first.</param>
/// <param name="Epochs">How many epochs there are at most.</param>
/// <param name="Batch">How many batches of the activity are done.</param>
/// <param name="Batches">How many batches the activity has.</param>
/// <param name="Loss">The epoch's mean training loss so far; NaN where there is none.</param>
/// <param name="LearningRate">The base learning rate of the last step.</param>
public readonly record struct TrainingProgress(
    TrainingActivity Activity, int Epoch, int Epochs, int Batch, int Batches, double Loss, double LearningRate);
