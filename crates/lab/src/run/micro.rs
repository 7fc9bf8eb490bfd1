//! Criterion's estimates of code paths, taken into a run where they were made not long before it.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::result::MicroFigure;

/// Where criterion keeps what it measured, seen from the workspace.
pub(super) const CRITERION: &str = "target/criterion";
/// Older estimates are of another state of the code, as far as anybody knows.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Folders are looked into so deep: group, function, parameter, `new`.
const DEPTH_MAX: u32 = 5;
const FIGURES_MAX: usize = 200;

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

/// The newest estimates under a folder, by name; none where there is no such folder.
pub(super) fn estimates(folder: &Path) -> Vec<MicroFigure> {
    let mut found = Vec::new();
    look(folder, DEPTH_MAX, &mut found);
    found.sort_by(|a: &MicroFigure, b| a.name.cmp(&b.name));
    found
}

fn look(folder: &Path, depth: u32, found: &mut Vec<MicroFigure>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        if path.file_name().is_some_and(|name| name == "new") {
            found.extend(one(&path).filter(|_| found.len() < FIGURES_MAX));
        } else if depth > 0 {
            look(&path, depth - 1, found);
        }
    }
}

fn one(folder: &Path) -> Option<MicroFigure> {
    let file = folder.join("estimates.json");
    let made = fs::metadata(&file).ok()?.modified().ok()?;
    if SystemTime::now().duration_since(made).is_ok_and(|age| age > AGE_MAX) {
        return None;
    }
    let median = read::<Estimates>(&file)?.median;
    Some(MicroFigure {
        name: read::<Benchmark>(&folder.join("benchmark.json"))?.full_id,
        median_ns: median.point_estimate,
        low_ns: median.confidence_interval.lower_bound,
        high_ns: median.confidence_interval.upper_bound,
    })
}

/// A file of criterion's; `None` where it is not as expected, since its format is its own.
fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Option<T> {
    serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_read_with_their_names_and_others_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let new = root.path().join("encode/one event/new");
        fs::create_dir_all(&new).unwrap();
        let estimate = |value: f64| {
            format!(
                "{{\"confidence_interval\":{{\"confidence_level\":0.95,\"lower_bound\":{},\"upper_bound\":{}}},\"point_estimate\":{value},\"standard_error\":1.0}}",
                value - 1.0,
                value + 2.0
            )
        };
        let text = format!("{{\"mean\":{},\"median\":{}}}", estimate(9.0), estimate(50.0));
        fs::write(new.join("estimates.json"), text).unwrap();
        fs::write(new.join("benchmark.json"), "{\"group_id\":\"encode\",\"full_id\":\"encode/one event\"}")
            .unwrap();
        let base = root.path().join("encode/one event/base");
        fs::create_dir_all(&base).unwrap();
        fs::write(base.join("estimates.json"), "{}").unwrap();
        let broken = root.path().join("decode/new");
        fs::create_dir_all(&broken).unwrap();
        fs::write(broken.join("estimates.json"), "{}").unwrap();
        let expected =
            MicroFigure { name: "encode/one event".to_owned(), median_ns: 50.0, low_ns: 49.0, high_ns: 52.0 };
        assert_eq!(estimates(root.path()), [expected]);
        assert_eq!(estimates(&root.path().join("none")), []);
    }
}
