//! The tap on real sockets, before a server that the test scripts.

use std::future::pending;
use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Long enough for any step on a busy machine; a step that takes it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tap before a listener. The server is whatever the test does with the listener.
struct Stage {
    address: SocketAddr,
    lanes: Lanes,
    server: TcpListener,
    task: JoinHandle<io::Result<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn stage() -> Stage {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tap = Tap::bind("127.0.0.1:0".parse().unwrap(), server.local_addr().unwrap()).unwrap();
    let (address, lanes) = (tap.local_addr(), tap.lanes());
    Stage { address, lanes, server, task: tokio::spawn(tap.run(pending())) }
}

impl Stage {
    /// A connection through the tap: the client's end and the server's.
    async fn connection(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.address).await.unwrap();
        let (server, _) = within(self.server.accept()).await.unwrap();
        (client, server)
    }

    fn totals(&self, label: &str) -> Totals {
        self.lanes.wire(&lane(label), 0).map(|wire| wire.totals).unwrap_or_default()
    }
}

async fn within<T>(step: impl Future<Output = T>) -> T {
    timeout(PATIENCE, step).await.expect("the step took too long")
}

fn lane(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn subscribe(transport: &str, label: &str) -> String {
    format!("GET /v1/feeds/default/{transport}?label={label} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// Sends from one end and reads as much at the other, at the same time, so that no buffer can fill for good.
async fn carry(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    let mut arrived = vec![0; bytes.len()];
    let (sent, read) =
        within(async { tokio::join!(from.write_all(bytes), to.read_exact(&mut arrived)) }).await;
    sent.unwrap();
    read.unwrap();
    assert!(arrived == bytes, "{} bytes changed on the way", bytes.len());
}

/// The connection ends with a reset, not in order.
async fn assert_reset(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    let ended = within(socket.read_to_end(&mut rest)).await;
    assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn large_random_bodies_pass_unchanged_both_ways() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    let mut rng = fastrand::Rng::with_seed(7);
    let body: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(3_000_000).collect();
    let head = format!("POST /v1/feeds/d/events HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    carry(&mut client, &mut server, head.as_bytes()).await;
    carry(&mut client, &mut server, &body).await;
    carry(&mut server, &mut client, &body).await;
    carry(&mut client, &mut server, subscribe("sse", "after").as_bytes()).await;
    carry(&mut server, &mut client, &body).await;
    let expected = (subscribe("sse", "after").len() as u64, body.len() as u64, 1);
    let totals = stage.totals("after");
    assert_eq!((totals.in_bytes, totals.out_bytes, totals.requests), expected);
}

#[tokio::test]
async fn bytes_that_are_no_http_pass_unchanged() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    let mut rng = fastrand::Rng::with_seed(8);
    let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(200_000).collect();
    carry(&mut client, &mut server, &noise).await;
    carry(&mut client, &mut server, subscribe("sse", "unseen").as_bytes()).await;
    assert!(stage.lanes.wire(&lane("unseen"), 0).is_none(), "a blind connection names no lane");
}

#[tokio::test]
async fn a_kept_connection_counts_for_the_lane_of_each_request() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    for (label, answer) in [("a", "one"), ("b", "second"), ("a", "3")] {
        carry(&mut client, &mut server, subscribe("poll", label).as_bytes()).await;
        carry(&mut server, &mut client, answer.as_bytes()).await;
    }
    carry(&mut client, &mut server, b"GET /demo/state HTTP/1.1\r\n\r\n").await;
    carry(&mut server, &mut client, b"unlabelled").await;
    let request = subscribe("poll", "a").len() as u64;
    let a = Totals { in_bytes: 2 * request, out_bytes: 4, requests: 2, connections: 1 };
    assert_eq!(stage.totals("a"), a);
    assert_eq!(stage.totals("b"), Totals { in_bytes: request, out_bytes: 6, requests: 1, connections: 1 });
}

#[tokio::test]
async fn the_wire_has_the_bytes_of_both_directions_in_order() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    let request = subscribe("ws", "w%3A1");
    let (start, rest) = request.split_at(20);
    carry(&mut client, &mut server, start.as_bytes()).await;
    carry(&mut client, &mut server, rest.as_bytes()).await;
    carry(&mut server, &mut client, b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
    carry(&mut client, &mut server, &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await;
    let wire = stage.lanes.wire(&lane("w:1"), 0).unwrap();
    let seen: Vec<(Direction, &[u8])> = wire.pieces.iter().map(|p| (p.direction, &p.bytes[..])).collect();
    let answer: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let frame: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    let expected = [(Direction::In, request.as_bytes()), (Direction::Out, answer), (Direction::In, frame)];
    assert_eq!(seen, expected);
    assert_eq!((wire.next, wire.skipped), (3, 0));
}

#[tokio::test]
async fn a_wrapped_ring_says_what_it_skipped() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    carry(&mut client, &mut server, subscribe("sse", "s").as_bytes()).await;
    carry(&mut server, &mut client, &vec![b'.'; 4 * RING_BYTES_MAX]).await;
    let wire = stage.lanes.wire(&lane("s"), 0).unwrap();
    let out_bytes: usize =
        wire.pieces.iter().filter(|p| p.direction == Direction::Out).map(|p| p.bytes.len()).sum();
    assert!(out_bytes <= RING_BYTES_MAX, "{out_bytes}");
    assert!(wire.skipped > 0);
    assert_eq!(wire.skipped + wire.pieces.len() as u64, wire.next);
    assert_eq!(wire.totals.out_bytes, 4 * RING_BYTES_MAX as u64);
}

#[tokio::test]
async fn a_cut_resets_refuses_and_then_accepts() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    let (mut other, mut other_server) = stage.connection().await;
    carry(&mut client, &mut server, subscribe("sse", "cut").as_bytes()).await;
    carry(&mut other, &mut other_server, subscribe("sse", "other").as_bytes()).await;
    stage.lanes.cut(&lane("cut"), PATIENCE * 3);
    assert_reset(&mut client).await;
    assert_reset(&mut server).await;
    carry(&mut other_server, &mut other, b"untouched").await;

    let (mut refused, mut refused_server) = stage.connection().await;
    refused.write_all(subscribe("sse", "cut").as_bytes()).await.unwrap();
    assert_reset(&mut refused).await;
    let mut reached = Vec::new();
    let _reset = within(refused_server.read_to_end(&mut reached)).await;
    assert_eq!(reached, b"", "a refused request never reaches the server");

    stage.lanes.cut(&lane("cut"), Duration::ZERO);
    let (mut again, mut again_server) = stage.connection().await;
    carry(&mut again, &mut again_server, subscribe("sse", "cut").as_bytes()).await;
    assert_eq!(stage.totals("cut").connections, 2);
}

#[tokio::test]
async fn a_kill_resets_once() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    carry(&mut client, &mut server, subscribe("poll", "k").as_bytes()).await;
    stage.lanes.kill(&lane("k"));
    assert_reset(&mut client).await;
    let (mut again, mut again_server) = stage.connection().await;
    carry(&mut again, &mut again_server, subscribe("poll", "k").as_bytes()).await;
}

#[tokio::test]
async fn a_kill_ends_a_connection_whose_reader_has_stopped() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    carry(&mut client, &mut server, subscribe("sse", "full").as_bytes()).await;
    // Writes until nothing moves any more: every buffer between the two ends is full, and the tap waits to write.
    let chunk = vec![0; 1 << 20];
    while timeout(Duration::from_millis(200), server.write_all(&chunk)).await.is_ok() {}
    stage.lanes.kill(&lane("full"));
    let ended = within(async { while server.write_all(&chunk).await.is_ok() {} });
    ended.await;
}

#[tokio::test]
async fn a_half_close_is_passed_on_and_the_other_half_lives() {
    let stage = stage().await;
    let (mut client, mut server) = stage.connection().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = Vec::new();
    within(server.read_to_end(&mut question)).await.unwrap();
    assert_eq!(question, b"question");
    carry(&mut server, &mut client, b"answer").await;
    drop(server);
    let mut rest = Vec::new();
    assert_eq!(within(client.read_to_end(&mut rest)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_reset_by_the_server_reaches_the_client_as_a_reset() {
    let stage = stage().await;
    let (mut client, server) = stage.connection().await;
    super::reset(&server);
    drop(server);
    assert_reset(&mut client).await;
}

#[tokio::test]
async fn no_server_is_a_reset_and_the_tap_goes_on() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = gone.local_addr().unwrap();
    drop(gone);
    let tap = Tap::bind("127.0.0.1:0".parse().unwrap(), upstream).unwrap();
    let address = tap.local_addr();
    let task = tokio::spawn(tap.run(pending()));
    for _ in 0..2 {
        assert_reset(&mut TcpStream::connect(address).await.unwrap()).await;
    }
    task.abort();
}

#[tokio::test]
async fn told_to_stop_it_lets_connections_end_and_accepts_no_more() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tap = Tap::bind("127.0.0.1:0".parse().unwrap(), server.local_addr().unwrap()).unwrap();
    let address = tap.local_addr();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(tap.run(async {
        let _told = stopped.await;
    }));
    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut behind, _) = within(server.accept()).await.unwrap();
    carry(&mut client, &mut behind, b"before").await;
    stop.send(()).unwrap();
    within(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    drop((client, behind));
    within(task).await.unwrap().unwrap();
}
