//! A real server on a free port.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tricast_server::{Server, Settings, SettingsSource, Stopper};

use crate::certificate::Certificate;
use crate::reach::Reach;
use crate::{Connection, PATIENCE, Response, eventually};

/// Settings of every test server, unless the test names them: two workers, so that the order is one over both, and
/// beats so far apart that nothing but the thing under test wakes a quiet stream.
const FLAGS: [(&str, &str); 6] = [
    ("server.listen", "127.0.0.1:0"),
    ("server.hosts", "test"),
    ("server.workers", "2"),
    ("stream.beat_secs", "300"),
    ("drain.max_secs", "5"),
    ("namespaces.declared", "other"),
];

/// Chooses the way out of every test server that names none itself: the whole suite runs on each.
const WAY_VARIABLE: &str = "TRICAST_FANOUT__WAY";

/// Set, it has every test server speak TLS.
const TLS_VARIABLE: &str = "TESTKIT_TLS";

/// A server on a thread of its own. It stops when this is dropped.
#[derive(Debug)]
pub struct TestServer {
    reach: Reach,
    stopper: Stopper,
    /// In a lock only so that publishers on several threads may share the server.
    ended: Mutex<Receiver<std::io::Result<()>>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Starts a server.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with settings by their dotted names.
    ///
    /// # Panics
    /// If it does not start, or a setting is wrong.
    #[track_caller]
    #[must_use]
    pub fn with(flags: &[(&str, &str)]) -> Self {
        if std::env::var_os(TLS_VARIABLE).is_some() {
            Self::with_tls(flags)
        } else {
            Self::serve(flags, None)
        }
    }

    /// Starts a server that speaks TLS, with settings by their dotted names.
    ///
    /// # Panics
    /// As [`TestServer::with`].
    #[track_caller]
    #[must_use]
    pub fn with_tls(flags: &[(&str, &str)]) -> Self {
        let files = Certificate::shared();
        let (certificate, key) = (files.certificate(), files.key());
        let tls = [("tls.certificate", certificate.to_string_lossy()), ("tls.key", key.to_string_lossy())];
        let tls = tls.iter().map(|(name, value)| (*name, &**value));
        let flags: Vec<(&str, &str)> = flags.iter().copied().chain(tls).collect();
        Self::serve(&flags, Some(files.client(&[b"http/1.1"])))
    }

    /// Starts a server without TLS whatever the others do, for peers that write and read on two threads.
    ///
    /// # Panics
    /// As [`TestServer::with`].
    #[track_caller]
    #[must_use]
    pub fn plain(flags: &[(&str, &str)]) -> Self {
        Self::serve(flags, None)
    }

    #[track_caller]
    fn serve(flags: &[(&str, &str)], tls: Option<Arc<ClientConfig>>) -> Self {
        let flags = FLAGS.iter().chain(flags).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let env = std::env::vars().filter(|(name, _)| name == WAY_VARIABLE).collect();
        let source = SettingsSource { file: None, env, flags: flags.collect() };
        let settings = Settings::load(&source).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let (bound, is_bound) = channel();
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            let served = tricast_server::block_on(async move {
                let server = Server::bind(settings, None)?;
                // Whoever waits may have given up; then there is nobody to tell.
                let _ = bound.send((server.local_addr(), server.stopper()));
                server.run().await
            });
            let _ = end.send(served);
        });
        let (address, stopper) = is_bound
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("the server does not start: {error}"));
        Self { reach: Reach { address, tls }, stopper, ended: Mutex::new(ended), thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.reach.address
    }

    /// Connects as this server is spoken to.
    ///
    /// # Errors
    /// The socket's.
    pub fn connect(&self) -> std::io::Result<Connection> {
        self.reach.connect(None)
    }

    /// Connects with a receive buffer of about so many bytes.
    ///
    /// # Errors
    /// The socket's.
    pub fn connect_narrow(&self, receive_buffer: usize) -> std::io::Result<Connection> {
        self.reach.connect(Some(receive_buffer))
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.reach.tls.is_some()
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Begins to stop it as a signal would, on a thread of its own, and does not wait.
    pub fn begin_to_stop(&self) {
        let stopper = self.stopper.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(stopper.stop());
            }
        });
    }

    /// Waits for the end of a server that was told to stop, and gives how long that took.
    ///
    /// # Panics
    /// If it does not end within [`PATIENCE`], or ends with an error.
    #[track_caller]
    pub fn wait_for_end(mut self) -> Duration {
        let start = Instant::now();
        match self.end() {
            Ok(Ok(())) => {}
            other => panic!("the server's end: {other:?}"),
        }
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok(), "the server's thread panicked");
        }
        start.elapsed()
    }

    fn end(&mut self) -> Result<std::io::Result<()>, RecvTimeoutError> {
        self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE)
    }

    /// Sends a request over a connection of its own and gives the answer.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn request(&self, method: &str, target: &str, headers: &str, body: &str) -> Response {
        self.reach.request(method, target, headers, body)
    }

    /// `GET`.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.request("GET", target, "", "")
    }

    /// Sends a publish and gives the answer, whatever it is.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn post(&self, headers: &str, body: &str) -> Response {
        self.request("POST", "/v1/feeds/default/events", headers, body)
    }

    /// Publishes one event or an array to `default`, and gives the ids.
    ///
    /// # Panics
    /// If that is refused.
    #[track_caller]
    pub fn publish(&self, body: &str) -> Vec<String> {
        published(&self.post("Content-Type: application/json\r\n", body))
    }

    /// Publishes broadcasts whose `data` are these, in one batch.
    ///
    /// # Panics
    /// As [`TestServer::publish`].
    #[track_caller]
    pub fn publish_all<T: std::fmt::Display>(&self, data: impl IntoIterator<Item = T>) -> Vec<String> {
        let events: Vec<String> = data.into_iter().map(|data| format!("{{\"data\":{data}}}")).collect();
        self.publish(&format!("[{}]", events.join(",")))
    }

    /// Publishes one event to rooms, by comma.
    ///
    /// # Panics
    /// As [`TestServer::publish`].
    #[track_caller]
    pub fn publish_to(&self, rooms: &str, data: impl std::fmt::Display) -> String {
        let rooms: Vec<&str> = rooms.split(',').collect();
        let body = format!("{{\"rooms\":{},\"data\":{data}}}", serde_json::json!(rooms));
        self.publish(&body).remove(0)
    }

    /// The state of `default`.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    #[must_use]
    pub fn state(&self) -> serde_json::Value {
        self.get("/v1/feeds/default").json()
    }

    /// The cursor of somebody who has everything.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    #[must_use]
    pub fn tip(&self) -> String {
        self.state()["cursor"].as_str().unwrap_or_default().to_owned()
    }

    /// Subscribers of `default` on all transports.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    #[must_use]
    pub fn subscribers(&self) -> u64 {
        let state = self.state();
        let counts = state["subscribers"].as_object().unwrap_or_else(|| panic!("{state}"));
        counts.values().filter_map(serde_json::Value::as_u64).sum()
    }

    /// Waits until there are so many subscribers, and gives how long that took.
    ///
    /// # Panics
    /// If it does not come to that.
    #[track_caller]
    pub fn wait_for_subscribers(&self, count: u64) -> Duration {
        eventually(&format!("there are {count} subscribers"), || self.subscribers() == count)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.begin_to_stop();
        // In a test that fails already, the server may be what is broken: it goes with the process.
        if !std::thread::panicking() && self.end().is_ok() {
            let _ = thread.join();
        }
    }
}

/// The ids in the answer to a publish.
#[track_caller]
fn published(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 201, "{}", response.text());
    let answer = response.json();
    let events = answer["events"].as_array().unwrap_or_else(|| panic!("{answer}"));
    events.iter().map(|event| event["id"].as_str().unwrap_or_default().to_owned()).collect()
}
