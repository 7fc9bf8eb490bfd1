//! A scripted server: it accepts one connection after another, and the test says what each of them gets.

#![expect(clippy::unwrap_used, reason = "a script that cannot go on fails its test")]

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tricast_client::{Builder, Client, Error, Subscription, Timing, Transport, Update};

/// No step of a test may hang the suite.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Peer {
    listener: TcpListener,
}

impl Peer {
    pub(crate) async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// A client of this peer that comes back fast.
    pub(crate) fn client(&self, transport: Transport) -> Builder {
        let timing = Timing {
            backoff_base: Duration::from_millis(1),
            first_sync: Duration::from_millis(300),
            beats_missed: 1,
            ..Timing::default()
        };
        let url = format!("http://{}", self.listener.local_addr().unwrap());
        Client::builder(url).transport(transport).timing(timing)
    }

    /// The next connection, with its first request read.
    pub(crate) async fn accept(&self) -> Talk {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        let mut talk = Talk { stream, head: String::new() };
        talk.request().await;
        talk
    }
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("nothing came in 20 s")
}

/// The next update that is an event, as its offset; or the error that ended the subscription.
pub(crate) async fn next_event(subscription: &mut Subscription) -> Result<u64, Error> {
    loop {
        match within(subscription.next()).await.expect("the subscription ended without an error") {
            Ok(Update::Event(event)) => return Ok(event.id.offset.0),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn event(offset: u64) -> String {
    format!(r#"{{"id":"k3f4a2bq-{offset}","type":"a","time":"t","data":{offset}}}"#)
}

pub(crate) fn sync(state: &str, offset: u64) -> String {
    format!(
        r#"{{"notice":"sync","session":"s_1","cursor":"k3f4a2bq-{offset}","state":"{state}","missed":0,"beat":1}}"#
    )
}

/// One connection.
pub(crate) struct Talk {
    stream: TcpStream,
    /// The head of the last request.
    pub(crate) head: String,
}

impl Talk {
    /// Reads the head of the next request. Empty where the client hung up.
    pub(crate) async fn request(&mut self) {
        self.head.clear();
        let mut byte = [0];
        while !self.head.ends_with("\r\n\r\n") {
            match within(self.stream.read(&mut byte)).await {
                Ok(1) => self.head.push(char::from(byte[0])),
                _ => return,
            }
        }
    }

    /// The last part of the path that was asked for.
    pub(crate) fn endpoint(&self) -> &str {
        let target = self.head.split(' ').nth(1).unwrap_or_default();
        target.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default()
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, key: &str) -> Option<&str> {
        let query = self.head.split(' ').nth(1)?.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// A whole answer with a body.
    pub(crate) async fn answer(&mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(&format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")).await;
    }

    /// Starts an event stream that ends with the connection.
    pub(crate) async fn stream_head(&mut self) {
        self.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 1\n\n",
        )
        .await;
    }

    pub(crate) async fn stream_notice(&mut self, name: &str, json: &str) {
        self.send(&format!("event: {name}\ndata: {json}\n\n")).await;
    }

    pub(crate) async fn stream_event(&mut self, offset: u64) {
        self.send(&format!("id: k3f4a2bq-{offset}\ndata: {}\n\n", event(offset))).await;
    }

    /// Accepts the WebSocket that was asked for.
    pub(crate) async fn upgrade(mut self) -> Socket {
        let find = |line: &str| {
            line.to_ascii_lowercase().starts_with("sec-websocket-key:").then(|| line[18..].trim().to_owned())
        };
        let key = self.head.lines().find_map(find).expect("a handshake has a key");
        let accept = derive_accept_key(key.as_bytes());
        self.send(&format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        ))
        .await;
        Socket { socket: WebSocketStream::from_raw_socket(self.stream, Role::Server, None).await }
    }

    /// Waits until the client hangs up.
    pub(crate) async fn hung_up(&mut self) -> bool {
        let mut rest = [0; 64];
        matches!(within(self.stream.read(&mut rest)).await, Ok(0) | Err(_))
    }
}

pub(crate) struct Socket {
    socket: WebSocketStream<TcpStream>,
}

impl Socket {
    pub(crate) async fn send(&mut self, text: String) {
        self.socket.send(Frame::text(text)).await.unwrap();
    }

    /// The next frame that the client sends.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        within(self.socket.next()).await.and_then(Result::ok)
    }

    pub(crate) async fn ping(&mut self) {
        self.socket.send(Frame::Ping("p".into())).await.unwrap();
    }
}
