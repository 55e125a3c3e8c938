"""How near numbers are to the right ones: correlation and squared error."""

import numpy as np
from scipy import stats


def regression_scores(
    targets: np.ndarray, values: np.ndarray, sample_weight: np.ndarray | None = None
) -> dict[str, float]:
    """Scores answers by the measures of STS-B (Cer et al. 2017) and the squared error.

    Args:
        targets: the right numbers, (n,).
        values: the answered numbers, (n,).
        sample_weight: of the squared error, (n,). Default: 1 each. Correlations count each row
            once, but for rows of weight 0.

    Returns:
        `pearson`, `spearman` (of ranks; equal values share a rank), each from -1 to 1 and 0 where
        one side is constant or has fewer than two rows, and `mse` in the targets' squared units.
    """
    weights = np.ones(len(targets)) if sample_weight is None else np.asarray(sample_weight)
    targets, values = np.asarray(targets, "float64"), np.asarray(values, "float64")
    counted = weights > 0
    error = (
        float(np.average((targets - values)[counted] ** 2, weights=weights[counted]))
        if (counted.any())
        else 0.0
    )
    targets, values = targets[counted], values[counted]
    return {
        "pearson": _correlation(targets, values),
        "spearman": _correlation(stats.rankdata(targets), stats.rankdata(values)),
        "mse": error,
    }


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
