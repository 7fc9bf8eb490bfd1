//! The report of a run while it fills, over HTTP. The pages are rendered by the run itself between two visits, so that
//! somebody who looks costs a visit no more than the sending of finished bytes.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{LabError, Result};
use crate::report::{Language, PROGRESS, REFRESH_S, Words, live_page};
use crate::result::{FILE, Run};

/// Rendering takes at most this share of the run's time.
const RENDER_SHARE: u32 = 10;
const REQUEST_BYTES_MAX: usize = 8 << 10;
const REQUEST_WAIT: Duration = Duration::from_secs(2);
/// Looks for whether the last page was fetched.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Shown {
    /// One for each language, in the order of [`Language::ALL`].
    pages: Vec<String>,
    done: u64,
    steps: u64,
    place: String,
    /// When somebody last looked.
    looked: Option<Instant>,
    over: bool,
}

/// The server of the pages. It ends with the process.
pub(super) struct Live {
    address: SocketAddr,
    shown: Arc<Mutex<Shown>>,
    rendered: Option<(Instant, Duration)>,
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes an address for the pages.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(LabError::io(format!("listen on {address}")))
}

impl Live {
    /// Serves; `folder` is the run's, whose stored result is served as well.
    pub(super) fn serve(listener: TcpListener, folder: &Path) -> Result<Self> {
        let address = listener.local_addr().map_err(LabError::io("listen"))?;
        let shown = Arc::new(Mutex::new(Shown::default()));
        let (seen, folder) = (Arc::clone(&shown), folder.to_owned());
        // One request after the other, each with its time: a slow reader holds up other readers, and never the run.
        thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| drop(answer(stream, &seen, &folder)));
        });
        Ok(Self { address, shown, rendered: None })
    }

    /// Where the page is.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Tells how far the run is.
    pub(super) fn tell(&self, (done, steps): (u64, u64), place: &str) {
        let mut shown = lock(&self.shown);
        (shown.done, shown.steps) = (done, steps);
        place.clone_into(&mut shown.place);
    }

    /// Renders what there is, unless that would take too much of the run's time.
    pub(super) fn renew(&mut self, run: &Run) -> Result<()> {
        let early = self.rendered.is_some_and(|(at, took)| at.elapsed() < took * RENDER_SHARE);
        if early { Ok(()) } else { self.render(run, true) }
    }

    fn render(&mut self, run: &Run, goes_on: bool) -> Result<()> {
        let begun = Instant::now();
        let pages = Language::ALL.map(|language| live_page(run, language, goes_on));
        let pages = pages.into_iter().collect::<Result<Vec<_>>>()?;
        lock(&self.shown).pages = pages;
        self.rendered = Some((Instant::now(), begun.elapsed()));
        Ok(())
    }

    /// Shows the whole, and lets a page that somebody has open fetch it.
    pub(super) fn end(mut self, run: &Run) -> Result<()> {
        self.render(run, false)?;
        let (now, patience) = (Instant::now(), Duration::from_secs(u64::from(REFRESH_S) + 1));
        let watched = {
            let mut shown = lock(&self.shown);
            shown.over = true;
            shown.looked.is_some_and(|at| now.duration_since(at) < 2 * patience)
        };
        let fetched = || lock(&self.shown).looked.is_some_and(|at| at > now);
        while watched && now.elapsed() < patience && !fetched() {
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

/// Answers one request and closes the connection.
fn answer(mut stream: TcpStream, shown: &Mutex<Shown>, folder: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_WAIT))?;
    stream.set_write_timeout(Some(REQUEST_WAIT))?;
    let (status, kind, body) = match path_of(&mut stream)?.as_deref() {
        Some("/" | "/report.html") => page(shown, Language::English),
        Some("/report.fr.html") => page(shown, Language::French),
        Some("/run.json") => stored(folder.join(FILE)),
        Some(path) => ("404 Not Found", "text/plain", format!("there is no {path}\n")),
        None => ("400 Bad Request", "text/plain", "not a GET request of at most 8 KiB\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// The path of a GET request without its query; `None` where it is none.
fn path_of(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 1024]);
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..read]);
        if read == 0 || bytes.len() > REQUEST_BYTES_MAX {
            return Ok(None);
        }
    }
    let line = String::from_utf8_lossy(&bytes);
    let path = line.strip_prefix("GET ").and_then(|rest| rest.split([' ', '?']).next());
    Ok(path.map(str::to_owned))
}

fn page(shown: &Mutex<Shown>, language: Language) -> (&'static str, &'static str, String) {
    let mut shown = lock(shown);
    shown.looked = Some(Instant::now());
    let at = Language::ALL.iter().position(|one| *one == language).unwrap_or_default();
    let Some(page) = shown.pages.get(at) else {
        return ("503 Service Unavailable", "text/plain", "the run has not begun\n".to_owned());
    };
    let words = Words(language);
    let progress = if shown.over {
        words.get("live.over").to_owned()
    } else {
        let (done, steps, seconds) = (shown.done.to_string(), shown.steps.to_string(), REFRESH_S.to_string());
        let place = escaped(&shown.place);
        words
            .fill("live.now", &[("done", &done), ("steps", &steps), ("place", &place), ("seconds", &seconds)])
    };
    ("200 OK", "text/html", page.replacen(PROGRESS, &progress, 1))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn stored(file: PathBuf) -> (&'static str, &'static str, String) {
    match fs::read_to_string(file) {
        Ok(text) => ("200 OK", "application/json", text),
        Err(_) => ("503 Service Unavailable", "text/plain", "nothing is stored yet\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn get(live: &Live, path: &str) -> String {
        let mut stream = TcpStream::connect(live.address).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_page_tells_how_far_the_run_is_and_renews_itself_until_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut live =
            Live::serve(listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap(), folder.path()).unwrap();
        assert!(get(&live, "/").starts_with("HTTP/1.1 503"));
        let mut run = fixture::synthetic();
        run.partial = true;
        live.renew(&run).unwrap();
        live.tell((3, 9), "calm <sse> 1/1");
        let page = get(&live, "/?x=1");
        assert!(
            page.contains("http-equiv=\"refresh\"")
                && page.contains("3")
                && page.contains("calm &lt;sse&gt;")
        );
        assert!(get(&live, "/report.fr.html").contains("<html lang=\"fr\">"));
        assert!(get(&live, "/run.json").starts_with("HTTP/1.1 503"));
        assert!(get(&live, "/else").starts_with("HTTP/1.1 404"));
        let shown = Arc::clone(&live.shown);
        let address = live.address;
        let reader = thread::spawn(move || {
            while !lock(&shown).over {
                thread::sleep(LOOK);
            }
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        live.end(&run).unwrap();
        assert!(!reader.join().unwrap().contains("http-equiv=\"refresh\""));
    }
}
