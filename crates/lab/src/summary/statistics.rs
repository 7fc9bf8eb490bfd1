//! Median, bootstrap interval, least squares.

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;

/// The median; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    median_sorted(&sorted)
}

fn median_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(*sorted.get(middle - 1)?, upper)) }
}

/// A 95 % interval of the median: the percentile bootstrap, the same for the same seed.
pub fn interval(values: &[f64], seed: u64) -> Option<(f64, f64)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut medians = Vec::with_capacity(RESAMPLES);
    let mut sample = vec![0.0; values.len()];
    for _ in 0..RESAMPLES {
        sample.fill_with(|| values[random.usize(..values.len())]);
        sample.sort_by(f64::total_cmp);
        medians.push(median_sorted(&sample)?);
    }
    medians.sort_by(f64::total_cmp);
    let at = |share: f64| medians[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some((at(0.025), at(0.975)))
}

/// A 95 % interval of the ratio of two medians, the second's over the first's: both are drawn anew, each from its own
/// values. The same for the same seed; `None` where either has no values or a median of 0.
pub fn ratio_interval(first: &[f64], second: &[f64], seed: u64) -> Option<(f64, f64)> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut drawn = |values: &[f64]| {
        let sample: Vec<f64> = values.iter().map(|_| values[random.usize(..values.len())]).collect();
        median(&sample)
    };
    let mut ratios = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let (below, above) = (drawn(first)?, drawn(second)?);
        if below <= 0.0 {
            return None;
        }
        ratios.push(above / below);
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some((at(0.025), at(0.975)))
}

/// By how much the same thing, measured twice, comes out different: a ratio of at least 1. Of each pair one value is dealt
/// to either side by chance, the sides' medians are compared as two transports' would be, and 95 % of the deals stay
/// within what is returned. The same for the same seed; `None` of nothing, or where a value is not above 0.
pub fn self_ratio(pairs: &[(f64, f64)], seed: u64) -> Option<f64> {
    if pairs.is_empty() || pairs.iter().any(|(one, other)| *one <= 0.0 || *other <= 0.0) {
        return None;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut ratios = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let deal =
            pairs.iter().map(|(one, other)| if random.bool() { (*one, *other) } else { (*other, *one) });
        let (left, right): (Vec<f64>, Vec<f64>) = deal.unzip();
        let ratio = median(&left)? / median(&right)?;
        ratios.push(ratio.max(1.0 / ratio));
    }
    ratios.sort_by(f64::total_cmp);
    Some(ratios[((RESAMPLES - 1) as f64 * 0.95).round() as usize])
}

/// A straight line through points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Rise for each unit of x.
    pub slope: f64,
    /// Value at x = 0.
    pub intercept: f64,
    /// Share of the variance that the line explains, 0 to 1.
    pub r_squared: f64,
}

/// The least-squares line; `None` for fewer than two different x.
pub fn fit(points: impl IntoIterator<Item = (f64, f64)>) -> Option<Line> {
    weighted(&points.into_iter().map(|(x, y)| (x, y, 1.0)).collect::<Vec<_>>())
}

/// The line with the least squares of relative deviations, for values over orders of magnitude whose noise is a share
/// of them: no point counts for more because it is larger. Values are above 0.
pub fn fit_relative(points: impl IntoIterator<Item = (f64, f64)>) -> Option<Line> {
    weighted(&points.into_iter().map(|(x, y)| (x, y, 1.0 / (y * y))).collect::<Vec<_>>())
}

/// The weighted least-squares line through (x, y, weight).
fn weighted(points: &[(f64, f64, f64)]) -> Option<Line> {
    let count = points.iter().map(|p| p.2).sum::<f64>();
    let (mean_x, mean_y) = (
        points.iter().map(|p| p.0 * p.2).sum::<f64>() / count,
        points.iter().map(|p| p.1 * p.2).sum::<f64>() / count,
    );
    let sum =
        |of: fn(f64, f64) -> f64| points.iter().map(|p| p.2 * of(p.0 - mean_x, p.1 - mean_y)).sum::<f64>();
    let (xx, xy, yy) = (sum(|x, _| x * x), sum(|x, y| x * y), sum(|_, y| y * y));
    if points.len() < 2 || xx == 0.0 {
        return None;
    }
    let slope = xy / xx;
    let r_squared = if yy == 0.0 { 1.0 } else { xy * xy / (xx * yy) };
    Some(Line { slope, intercept: mean_y - slope * mean_x, r_squared })
}

/// A 95 % interval of a line's slope, for points in the order of time: a bootstrap of the residuals in blocks, since
/// readings that follow each other are not independent. The same for the same seed; `None` where there is no line.
pub fn line_interval(points: &[(f64, f64)], seed: u64) -> Option<(f64, f64)> {
    let line = fit(points.iter().copied())?;
    let at = |x: f64| line.intercept + line.slope * x;
    let residuals: Vec<f64> = points.iter().map(|(x, y)| y - at(*x)).collect();
    let block = (points.len() as f64).sqrt().ceil() as usize;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut slopes = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let mut start = 0;
        let resampled = points.iter().enumerate().map(|(index, (x, _))| {
            if index % block == 0 {
                start = random.usize(..=points.len() - block);
            }
            (*x, at(*x) + residuals[start + index % block])
        });
        slopes.push(fit(resampled)?.slope);
    }
    slopes.sort_by(f64::total_cmp);
    let quantile = |share: f64| slopes[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some((quantile(0.025), quantile(0.975)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn the_interval_holds_the_median_and_is_the_same_for_the_same_seed() {
        let values: Vec<f64> = (0..10).map(|n| f64::from(n * n % 7)).collect();
        let (low, high) = interval(&values, 5).unwrap();
        let middle = median(&values).unwrap();
        assert!(low <= middle && middle <= high && low < high);
        assert_eq!(interval(&values, 5), Some((low, high)));
        assert_eq!(interval(&[2.0], 5), Some((2.0, 2.0)));
        assert_eq!(interval(&[], 5), None);
    }

    #[test]
    fn a_ratio_has_an_interval_of_its_own() {
        let (old, new) = ([100.0, 101.0, 99.0, 100.0], [120.0, 121.0, 119.0, 120.0]);
        let (low, high) = ratio_interval(&old, &new, 1).unwrap();
        assert!(low > 1.17 && low <= 1.2 && (1.2..1.23).contains(&high), "{low} {high}");
        assert_eq!(ratio_interval(&old, &new, 1), Some((low, high)));
        assert_eq!(ratio_interval(&[], &new, 1), None);
        assert_eq!(ratio_interval(&[0.0], &new, 1), None);
    }

    #[test]
    fn a_server_differs_from_itself_by_what_most_deals_show() {
        let check = |pairs: &[(f64, f64)], expected| assert_eq!(self_ratio(pairs, 1), expected, "{pairs:?}");
        check(&[], None);
        check(&[(1.0, 0.0)], None);
        check(&[(10.0, 12.0)], Some(1.2));
        check(&[(12.0, 10.0)], Some(1.2));
        check(&[(5.0, 5.0), (7.0, 7.0)], Some(1.0));
        // One visit that the machine disturbed does not widen the band beyond what it does to a median.
        let mut pairs = [(10.0, 11.0); 10];
        pairs[3].1 = 400.0;
        let band = self_ratio(&pairs, 1).unwrap();
        assert!((1.0..=1.1).contains(&band), "{band}");
        // More repetitions of the same spread tell more.
        let spread = |n: u32| {
            (0..n).map(|i| (f64::from(10 + i * 7 % 5), f64::from(10 + i * 3 % 5))).collect::<Vec<_>>()
        };
        assert!(self_ratio(&spread(20), 1).unwrap() < self_ratio(&spread(3), 1).unwrap());
    }

    #[test]
    fn a_line_is_found_again() {
        let line = fit((0..5).map(|x| (f64::from(x), 7.0 + 2.5 * f64::from(x)))).unwrap();
        assert!((line.slope - 2.5).abs() < 1e-9 && (line.intercept - 7.0).abs() < 1e-9);
        assert!((line.r_squared - 1.0).abs() < 1e-9);
        assert_eq!(fit([(1.0, 1.0)]), None);
        assert_eq!(fit([(1.0, 1.0), (1.0, 2.0)]), None);
    }

    #[test]
    fn a_relative_line_follows_the_small_values_too() {
        let noisy = [(1.0, 20.0), (10.0, 170.0), (100.0, 1600.0), (1000.0, 17_000.0)];
        let (plain, relative) = (fit(noisy).unwrap(), fit_relative(noisy).unwrap());
        assert!(
            (relative.intercept - 3.5).abs() < 1.0 && (relative.slope - 16.5).abs() < 0.5,
            "{relative:?}"
        );
        assert!((plain.intercept - relative.intercept).abs() > 10.0, "{plain:?}");
        let exact = fit_relative((1..5).map(|x| (f64::from(x), 7.0 + 2.5 * f64::from(x)))).unwrap();
        assert!((exact.slope - 2.5).abs() < 1e-9 && (exact.r_squared - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_slope_has_an_interval_that_tells_drift_from_noise() {
        let noise = |n: u32| f64::from(n * 37 % 11) - 5.0;
        let drifting: Vec<_> = (0..100).map(|n| (f64::from(n), 2.0 * f64::from(n) + noise(n))).collect();
        let (low, high) = line_interval(&drifting, 3).unwrap();
        assert!(low > 1.8 && high < 2.2 && low < high, "{low} {high}");
        let still: Vec<_> = (0..100).map(|n| (f64::from(n), noise(n))).collect();
        let (low, high) = line_interval(&still, 3).unwrap();
        assert!(low < 0.0 && high > 0.0, "{low} {high}");
        assert_eq!(line_interval(&still, 3), Some((low, high)));
        assert_eq!(line_interval(&[(1.0, 1.0)], 3), None);
    }
}
