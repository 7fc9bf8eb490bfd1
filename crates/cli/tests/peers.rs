//! `tricast lab peers` where nothing is installed but a server that does not start: tricast itself is measured with
//! the raw loops beside it, and the rest is told.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise, in its helpers too")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tricast_lab::peers::result::{Extent, Measure, Peers};
use tricast_lab::peers::{PeersOptions, compare};

const TRICAST: &str = env!("CARGO_BIN_EXE_tricast");

/// A folder of installed peers in which the textbook server is a program that ends at once.
fn installed(root: &Path) -> PathBuf {
    let bin = root.join("peers/bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("textbook");
    fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    root.join("peers")
}

fn tiny(root: &Path) -> PeersOptions {
    let extent = Extent {
        rounds: 2,
        few: 6,
        many: 12,
        in_flight: 4,
        closed_s: 0.03,
        open_s: 0.05,
        ..Extent::default()
    };
    PeersOptions {
        extent,
        out_root: root.join("runs"),
        installed: installed(root),
        quiet: true,
        ..PeersOptions::new(TRICAST.into())
    }
}

#[test]
fn what_is_there_is_measured_and_what_is_not_is_told() {
    let root = tempfile::tempdir().unwrap();
    let done = compare(tiny(root.path())).unwrap();
    let peers = Peers::read(&done.path).unwrap();
    assert!(peers == done.peers && !peers.partial);
    for cell in peers.cells.iter().filter(|cell| cell.server.starts_with("tricast")) {
        assert_eq!(cell.void, Vec::<String>::new(), "{cell:?}");
        assert!(cell.units > 0, "{cell:?}");
        assert_eq!((cell.measure == Measure::Memory, cell.memory.len()).0, !cell.memory.is_empty());
    }
    let count = |server: &str, measure| {
        peers.cells.iter().filter(|cell| cell.server == server && cell.measure == measure).count()
    };
    for measure in [Measure::Connects, Measure::Single, Measure::Raw, Measure::Saturated, Measure::EqualRate]
    {
        assert_eq!(count("tricast", measure), 2 * 3, "{measure:?}");
    }
    assert_eq!((count("tricast", Measure::RawJoined), count("nchan", Measure::Single)), (2 * 2, 0));
    let broken: Vec<_> = peers.cells.iter().filter(|cell| cell.server == "textbook").collect();
    assert!(broken.len() == 2 * 3 && broken.iter().all(|cell| !cell.void.is_empty()));

    let output = Command::new(TRICAST).args(["lab", "report"]).arg(&done.path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(done.path.join("report.html")).unwrap();
    assert!(page.contains("root/usr/sbin/nginx is not installed"));
}

#[test]
fn a_server_that_is_not_known_is_an_error_that_names_those_that_are() {
    let output = Command::new(TRICAST).args(["lab", "peers", "--only", "apache"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`apache` is none of tricast, "), "{said}");
}
