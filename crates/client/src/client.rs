//! The client and how it is made.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tricast_wire::decode::{After, Cursor, Published};

use crate::core::Core;
use crate::driver::Driver;
use crate::error::Failure;
use crate::line::{self, Dial};
use crate::subscription::AtomicCounts;
use crate::{Error, Publish, Subscription, Timing, Transport};

/// How many updates wait for a reader unless told otherwise.
const BUFFER_UPDATES: usize = 256;

/// The longest event that is read unless told otherwise, in bytes.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// The longest answer to a publish that is read.
const PUBLISHED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a publish may take, all in all.
const PUBLISH_WAIT: Duration = Duration::from_secs(30);

/// How many idle connections are kept for the next request.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// A client of one namespace of one server. Cheap to clone; the clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    settings: Arc<Settings>,
}

#[derive(Debug)]
struct Settings {
    dial: Dial,
    transport: Transport,
    after: After,
    timing: Timing,
    give_up_after: Option<u32>,
    buffer_updates: usize,
}

/// What a client shall be. Made by [`Client::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    url: String,
    namespace: String,
    rooms: Vec<String>,
    label: Option<String>,
    transport: Transport,
    after: After,
    timing: Timing,
    give_up_after: Option<u32>,
    buffer_updates: usize,
    event_bytes_max: usize,
}

impl Client {
    /// Starts to make a client of the server with this base URL, for example `http://127.0.0.1:8080`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder {
            url: url.into(),
            namespace: "default".to_owned(),
            rooms: Vec::new(),
            label: None,
            transport: Transport::Auto,
            after: After::Tip,
            timing: Timing::default(),
            give_up_after: None,
            buffer_updates: BUFFER_UPDATES,
            event_bytes_max: EVENT_BYTES_MAX,
        }
    }

    /// Starts a subscription. It connects in a task of its own, so this must be called within a tokio runtime.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        let settings = &self.settings;
        let (sender, updates) = mpsc::channel(settings.buffer_updates);
        let (choice, chosen) = watch::channel(settings.transport);
        let counts = Arc::new(AtomicCounts::default());
        let driver = Driver {
            core: Core::new(settings.timing, settings.give_up_after, settings.transport, settings.after),
            dial: settings.dial.clone(),
            updates: sender,
            choice: chosen,
            counts: Arc::clone(&counts),
            origin: Instant::now(),
            line: None,
        };
        tokio::spawn(driver.run());
        Subscription { updates, choice, counts }
    }

    /// Publishes one event and gives its place in the feed.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's reason, [`Error::Connection`] where it is not known whether the event was
    /// taken, and the others as they say.
    pub async fn publish(&self, event: &Publish) -> Result<Cursor, Error> {
        let ids = self.post(&[event], None).await?;
        ids.first().copied().ok_or_else(|| Error::Answer("the server's answer holds no id".to_owned()))
    }

    /// Publishes a batch: all of it or nothing, and in one piece.
    ///
    /// # Errors
    /// As for [`Client::publish`].
    pub async fn publish_all(&self, events: &[Publish]) -> Result<Vec<Cursor>, Error> {
        self.post(&events.iter().collect::<Vec<_>>(), None).await
    }

    /// Publishes a batch under an idempotency key (1 to 255 visible characters): a second call with the same key and
    /// events gives the first answer and publishes nothing, so it is safe to repeat after [`Error::Connection`].
    ///
    /// # Errors
    /// As for [`Client::publish`].
    pub async fn publish_once(&self, events: &[Publish], key: &str) -> Result<Vec<Cursor>, Error> {
        self.post(&events.iter().collect::<Vec<_>>(), Some(key)).await
    }

    async fn post(&self, events: &[&Publish], key: Option<&str>) -> Result<Vec<Cursor>, Error> {
        let dial = &self.settings.dial;
        let mut request = dial.http.post(dial.endpoint("events")).timeout(PUBLISH_WAIT).json(events);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let mut response = request.send().await.map_err(|error| Error::from(line::broken(error)))?;
        if response.status() != reqwest::StatusCode::CREATED && response.status() != reqwest::StatusCode::OK {
            return Err(line::refused(response).await.into());
        }
        let body = line::body(&mut response, PUBLISHED_BYTES_MAX).await.map_err(Error::from)?;
        read_ids(&body).map_err(Error::from)
    }
}

fn read_ids(body: &[u8]) -> Result<Vec<Cursor>, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        events: Vec<Published>,
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| Failure::Unreadable(format!("cannot read the server's answer: {error}")))?;
    Ok(answer.events.into_iter().map(|event| event.id).collect())
}

impl Builder {
    /// The namespace; `default` unless given.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The transport; [`Transport::Auto`] unless given.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// The rooms to join; none unless given. The namespace's broadcasts always come.
    #[must_use]
    pub fn rooms<R: Into<String>>(mut self, rooms: impl IntoIterator<Item = R>) -> Self {
        self.rooms = rooms.into_iter().map(Into::into).collect();
        self
    }

    /// Where a subscription starts; [`After::Tip`] unless given.
    #[must_use]
    pub fn after(mut self, after: After) -> Self {
        self.after = after;
        self
    }

    /// A name for the server's tools and logs; it changes nothing.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The bounds of every wait.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Ends a subscription with [`Error::GaveUp`] at this many failures in a row. Unless given, it never gives up.
    #[must_use]
    pub fn give_up_after(mut self, failures: u32) -> Self {
        self.give_up_after = Some(failures);
        self
    }

    /// How many updates wait for a slow reader before the connection is slowed down; 256 unless given, at least 1.
    #[must_use]
    pub fn buffer_updates(mut self, updates: usize) -> Self {
        self.buffer_updates = updates.max(1);
        self
    }

    /// The longest event that is read, in bytes; 1 MiB unless given. A longer one ends the subscription.
    #[must_use]
    pub fn event_bytes_max(mut self, bytes: usize) -> Self {
        self.event_bytes_max = bytes;
        self
    }

    /// Makes the client. Nothing connects yet.
    ///
    /// # Errors
    /// [`Error::Url`] or [`Error::Tls`] for a base URL that cannot work, [`Error::Field`] for a room that would be
    /// read as several.
    pub fn build(self) -> Result<Client, Error> {
        let base = line::base(&self.url)?;
        if let Some(room) = self.rooms.iter().find(|room| room.is_empty() || room.contains(',')) {
            return Err(Error::Field { field: "rooms", detail: format!("{room:?} is not a room") });
        }
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .tcp_nodelay(true)
            .connect_timeout(self.timing.connect)
            .build()
            .map_err(|error| Error::Connection(error.to_string()))?;
        let dial = Dial {
            http,
            base,
            namespace: self.namespace,
            rooms: self.rooms,
            label: self.label,
            event_bytes_max: self.event_bytes_max,
            poll_wait: self.timing.poll_wait,
        };
        let (transport, after, timing) = (self.transport, self.after, self.timing);
        let (give_up_after, buffer_updates) = (self.give_up_after, self.buffer_updates);
        let settings = Settings { dial, transport, after, timing, give_up_after, buffer_updates };
        Ok(Client { settings: Arc::new(settings) })
    }
}
