//! Every seed of the corpus through its decoder: as it is, cut short everywhere, and changed a little.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use tricast_fuzz::{TARGETS, run};

/// Changed copies of each seed. The generator's seed is the copy's number, so that every run is the same.
const COPIES: u64 = 300;

/// Where each seed is cut short at most so many times.
const CUTS_MAX: usize = 512;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = std::fs::read_dir(corpus().join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

/// Runs one input, and names it where it fails.
fn check(target: &str, from: &Path, what: &str, input: &[u8]) {
    let ran = std::panic::catch_unwind(|| run(target, input));
    assert!(
        matches!(ran, Ok(true)),
        "{target}: {} {what}: {:?}",
        from.display(),
        input.escape_ascii().to_string()
    );
}

/// A copy with a few bytes changed, doubled, dropped or taken from elsewhere in it.
fn changed(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(..=input.len().saturating_sub(1));
        match rng.u8(..6) {
            _ if input.is_empty() => input.push(rng.u8(..)),
            0 => input[at] = rng.u8(..),
            1 => input[at] ^= 1 << rng.u8(..8),
            2 => drop(input.remove(at)),
            3 => input.insert(at, *rng.choice(b"\r\n\0\"\\{}[]:,0x\xff").unwrap()),
            4 => input.truncate(at),
            _ => {
                let piece = input[at..input.len().min(at + 16)].to_vec();
                let into = rng.usize(..=input.len());
                input.splice(into..into, piece);
            }
        }
    }
    input
}

#[test]
fn every_decoder_holds_on_its_corpus() {
    for (target, _) in TARGETS {
        let seeds = seeds(target);
        assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
        for (path, seed) in &seeds {
            check(target, path, "as it is", seed);
            (0..seed.len().min(CUTS_MAX)).for_each(|end| check(target, path, "cut short", &seed[..end]));
            for copy in 0..COPIES {
                let input = changed(seed, &mut Rng::with_seed(copy));
                check(target, path, &format!("changed by {copy}"), &input);
            }
        }
    }
}

#[test]
fn every_folder_of_the_corpus_has_its_decoder() {
    let folders = std::fs::read_dir(corpus()).unwrap();
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders, targets);
}

#[test]
fn an_unknown_decoder_is_told() {
    assert!(!run("unknown", b""));
}
