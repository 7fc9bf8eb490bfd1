//! `tricast store`: a store is looked at, moved, and left alone while a server uses it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::server::{Peer, Server, tricast};

fn store(word: &str, path: &Path, input: &[u8]) -> Output {
    let mut command = tricast();
    command.args(["store", word]).arg(path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses at once does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const FULL: &str = r#"{"type":"x.y","rooms":["a","b"],"key":"é\"","except":"p_AAAAAAAAAAAAAAAAAAAAAA","data":{"n":1.50,"n":2}}"#;
const ALONE: &str = r#"{"to":"p_AAAAAAAAAAAAAAAAAAAAAA","data":"for one"}"#;

/// A store with a hole, an event with every field, and an idempotency key.
fn filled(path: &Path) {
    let server = Server::start(path, &["store.flush_ms=10000"]);
    assert_eq!(server.post(FULL).status, 201);
    server.kill();
    let server = Server::start(path, &[]);
    let mut peer = Peer::connect(server.address).unwrap();
    for (key, body) in [("one", FULL), ("two", ALONE), ("three", r#"[{"data":3},{"data":4}]"#)] {
        let answer = peer.publish(&format!("Idempotency-Key: {key}\r\n"), body).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    server.stop();
}

#[test]
fn a_store_is_the_same_after_an_export_and_an_import() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    filled(&old);
    let exported = store("export", &old, b"");
    assert!(exported.status.success(), "{exported:?}");
    let lines = text(&exported.stdout);
    assert_eq!(lines.lines().count(), 1 + 4 + 3, "{lines}");
    for part in [
        "\"holes\":[[1,",
        "\"except\":\"p_",
        "\"to\":\"p_",
        r#""data":{"n":1.50,"n":2}"#,
        "\"idempotency_key\":\"one\"",
    ] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    let imported = store("import", &new, &exported.stdout);
    assert!(imported.status.success() && text(&imported.stderr).contains("4 events"), "{imported:?}");
    assert_eq!(text(&store("export", &new, b"").stdout), lines);
    let [before, after] = [&old, &new].map(|path| {
        let server = Server::start(path, &[]);
        let history = server.history("earliest");
        let mut peer = Peer::connect(server.address).unwrap();
        let again = peer.publish("Idempotency-Key: one\r\n", FULL).unwrap();
        let other = peer.publish("Idempotency-Key: two\r\n", FULL).unwrap();
        assert_eq!((again.status, other.status), (201, 422), "{again:?} {other:?}");
        let next = server.post("{\"data\":5}").json()["events"].clone();
        server.stop();
        (history, again.body, next)
    });
    assert_eq!(before, after);
    assert_eq!(store("import", &new, &exported.stdout).status.code(), Some(1), "it is not empty");
}

#[test]
fn a_check_tells_what_is_there_and_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    assert_eq!(store("check", &path, b"").status.code(), Some(1), "there is none");
    assert!(!path.exists(), "and none is made");
    filled(&path);
    let whole = store("check", &path, b"");
    let said = text(&whole.stdout);
    assert!(
        whole.status.success() && said.contains("default epoch=") && said.contains(" events=4 "),
        "{said}"
    );
    assert!(said.contains(" holes=1-") && said.contains(" keys=3"), "{said}");
    let server = Server::start(&path, &[]);
    for word in ["check", "export", "import"] {
        let said = store(word, &path, b"");
        assert_eq!(said.status.code(), Some(1));
        assert!(text(&said.stderr).contains("is used by another process"), "{said:?}");
    }
    server.stop();
    let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let segment = entries.filter(|path| path.extension().is_some_and(|end| end == "segment")).min().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let damaged = store("check", &path, b"");
    assert_eq!(damaged.status.code(), Some(1));
    assert!(text(&damaged.stderr).contains("is not whole"), "{damaged:?}");
}

#[test]
fn an_import_names_the_line_that_is_wrong() {
    let head = r#"{"namespace":"n","epoch":"aaaaaaaa","last":3,"holes":[]}"#;
    for (lines, told) in [
        ("nonsense", "line 1: expected"),
        (r#"{"namespace":"n","offset":1,"time":1,"data":1}"#, "line 1: the line that tells of the namespace"),
        (
            &format!(
                "{head}\n{{\"namespace\":\"n\",\"epoch\":\"aaaaaaaa\",\"offset\":4,\"time\":1,\"data\":1}}"
            ),
            "line 2: offset",
        ),
        (
            &format!(
                "{head}\n{{\"namespace\":\"n\",\"epoch\":\"baaaaaaa\",\"offset\":3,\"time\":1,\"data\":1}}"
            ),
            "line 2: epoch",
        ),
        (&format!("{head}\n\n{{\"namespace\":\"n\",\"colour\":1}}"), "line 3: unknown field"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let said = store("import", &dir.path().join("s"), lines.as_bytes());
        assert_eq!(said.status.code(), Some(1));
        assert!(text(&said.stderr).contains(told), "{told}: {said:?}");
    }
}
