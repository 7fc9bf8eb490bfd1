//! Each condition over real sockets. Times are compared with what was asked for in one direction only: nothing may come too
//! soon, however slow the machine is.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Conditions, FaultProxy, Hold, OneWay, ProxyOptions};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

/// A client's and a server's end with a proxy between them.
struct Pair {
    proxy: FaultProxy,
    upstream: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

fn down(down: OneWay) -> Conditions {
    Conditions { down, ..Conditions::default() }
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn accept(upstream: &TcpListener) -> TcpStream {
    let (server, _) = upstream.accept().unwrap();
    server.set_read_timeout(Some(LONG)).unwrap();
    server.set_nodelay(true).unwrap();
    server
}

fn pair(conditions: Conditions) -> Pair {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = FaultProxy::before(upstream.local_addr().unwrap(), conditions, 1).unwrap();
    let client = connect(proxy.address());
    let server = accept(&upstream);
    Pair { proxy, upstream, client, server }
}

fn read(mut stream: &TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    stream.read_exact(&mut read).unwrap();
    read
}

/// Whether nothing comes for a while.
fn is_silent(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(SHORT)).unwrap();
    let silent = matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(LONG)).unwrap();
    silent
}

/// How the stream ends: in order, or by an error.
fn end(mut stream: &TcpStream) -> Result<usize, ErrorKind> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).map_err(|error| error.kind())
}

#[test]
fn without_conditions_bytes_pass_both_ways_and_ends_are_passed_on() {
    let Pair { mut client, mut server, proxy, .. } = pair(Conditions::default());
    let sent: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || {
        server.write_all(&copy).unwrap();
        server
    });
    assert!(read(&client, sent.len()) == sent);
    let server = writer.join().unwrap();
    client.write_all(b"up").unwrap();
    assert_eq!(read(&server, 2), b"up");
    let seen = proxy.connections();
    assert_eq!((seen.len(), seen[0].up_bytes, seen[0].down_bytes), (1, 2, 200_000));
    drop(server);
    assert_eq!(end(&client), Ok(0));
}

#[test]
fn latency_delays_both_ways_and_pieces_do_not_queue_behind_each_other() {
    let up = OneWay { latency_ms: 100, ..OneWay::default() };
    let Pair { mut client, mut server, proxy: _proxy, .. } =
        pair(Conditions { up, down: up, ..Conditions::default() });
    let start = Instant::now();
    for _ in 0..20 {
        client.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(read(&server, 20).len(), 20);
    let once = start.elapsed();
    assert!(once >= Duration::from_millis(100), "{once:?}");
    assert!(once < Duration::from_millis(100 * 20), "each piece has waited for the one before: {once:?}");
    server.write_all(b"y").unwrap();
    read(&client, 1);
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_rate_is_kept() {
    let Pair { client, mut server, proxy: _proxy, .. } =
        pair(down(OneWay { bytes_per_s: Some(100_000), ..OneWay::default() }));
    let start = Instant::now();
    server.write_all(&[7; 40_000]).unwrap();
    assert_eq!(read(&client, 40_000), [7; 40_000]);
    assert!(start.elapsed() >= Duration::from_millis(390), "{:?}", start.elapsed());
}

#[test]
fn a_hold_holds_until_enough_has_come() {
    let hold = Some(Hold { bytes: 100, ms: 600_000 });
    let Pair { client, mut server, proxy, .. } = pair(down(OneWay { hold, ..OneWay::default() }));
    server.write_all(b"data: 1\n\n").unwrap();
    assert!(is_silent(&client));
    server.write_all(&[b'x'; 91]).unwrap();
    assert!(read(&client, 100).starts_with(b"data: 1\n\n"));
    server.write_all(b"data: 2\n\n").unwrap();
    assert!(is_silent(&client));
    proxy.set(Conditions::default()).unwrap();
    assert_eq!(read(&client, 9), b"data: 2\n\n", "what is held is let go with the condition");
}

#[test]
fn a_stall_ends_when_it_is_lifted_and_loses_nothing() {
    let Pair { client, mut server, proxy, .. } = pair(down(OneWay { stall: true, ..OneWay::default() }));
    server.write_all(b"before").unwrap();
    assert!(is_silent(&client));
    proxy.set(Conditions::default()).unwrap();
    assert_eq!(read(&client, 6), b"before");
}

#[test]
fn delays_and_rates_that_are_lifted_let_go_what_waited_for_them() {
    for slow in [
        OneWay { latency_ms: 600_000, ..OneWay::default() },
        OneWay { bytes_per_s: Some(100), ..OneWay::default() },
    ] {
        let Pair { client, mut server, proxy, .. } = pair(down(slow));
        server.write_all(&[7; 50_000]).unwrap();
        assert!(is_silent(&client));
        proxy.set(Conditions::default()).unwrap();
        assert_eq!(read(&client, 50_000), [7; 50_000]);
    }
}

#[test]
fn a_peer_that_vanished_tells_nothing_for_ever() {
    let Pair { client, mut server, proxy, .. } = pair(down(OneWay { vanish: true, ..OneWay::default() }));
    server.write_all(b"lost").unwrap();
    assert!(is_silent(&client));
    proxy.set(Conditions::default()).unwrap();
    server.write_all(b"later").unwrap();
    assert!(is_silent(&client), "bytes after a hole would be another stream");
    drop(server);
    assert!(is_silent(&client), "the end is not told either");
}

#[test]
fn a_connection_ends_after_so_many_bytes() {
    let close = OneWay { close_after_bytes: Some(5), ..OneWay::default() };
    let Pair { client, mut server, proxy: _proxy, .. } = pair(down(close));
    server.write_all(b"1234567").unwrap();
    assert_eq!(read(&client, 5), b"12345");
    assert_eq!(end(&client), Ok(0));
    // Bytes that the proxy has not read on either side make no reset of it.
    let up = OneWay { stall: true, ..OneWay::default() };
    let Pair { mut client, mut server, proxy: _proxy, .. } =
        pair(Conditions { up, down: close, ..Conditions::default() });
    client.write_all(b"unread").unwrap();
    server.write_all(&[7; 100_000]).unwrap();
    assert_eq!((read(&client, 5), end(&client)), (vec![7; 5], Ok(0)));
    drop(client);
    assert_eq!(end(&server), Ok(0));
    let reset = OneWay { reset_after_bytes: Some(5), ..OneWay::default() };
    let Pair { client, mut server, proxy: _proxy, .. } = pair(down(reset));
    server.write_all(b"1234567").unwrap();
    assert_eq!(end(&client), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_cut_resets_and_refuses_and_a_reset_only_resets() {
    let Pair { client, proxy, upstream, server } = pair(Conditions::default());
    proxy.reset();
    assert_eq!(end(&client), Err(ErrorKind::ConnectionReset));
    drop(server);
    let client = connect(proxy.address());
    let _server = accept(&upstream);
    proxy.cut(Duration::from_mins(5));
    assert_eq!(end(&client), Err(ErrorKind::ConnectionReset));
    let refused = connect(proxy.address());
    assert!(end(&refused).is_err());
    proxy.cut(Duration::ZERO);
    let client = connect(proxy.address());
    let mut server = accept(&upstream);
    server.write_all(b"x").unwrap();
    assert_eq!(read(&client, 1), b"x");
}

#[test]
fn connections_end_that_are_idle_or_whose_time_has_come() {
    let idle = Conditions { idle_ms: Some(100), ..Conditions::default() };
    let start = Instant::now();
    let Pair { client, proxy: _proxy, server: _server, .. } = pair(idle);
    assert!(end(&client).is_err());
    assert!(start.elapsed() >= Duration::from_millis(100));
    let Pair { client, proxy: _proxy, server: _server, .. } =
        pair(Conditions { cut_every_ms: Some(50), ..Conditions::default() });
    assert!(end(&client).is_err());
}

/// One request to the API: the status and the body.
fn ask(api: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = connect(api);
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[test]
fn the_api_steers_and_names_what_is_wrong() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ProxyOptions {
        listen: free,
        upstream: upstream.local_addr().unwrap(),
        api: Some(free),
        conditions: Conditions::default(),
        seed: 1,
    };
    let proxy = FaultProxy::start(&options).unwrap();
    let api = proxy.api().unwrap();
    assert_eq!(ask(api, "GET", "/conditions", ""), (200, "{}".to_owned()));
    let (status, told) = ask(api, "PUT", "/conditions", r#"{"down":{"latency_ms":7}}"#);
    assert_eq!((status, told.as_str()), (200, r#"{"down":{"latency_ms":7}}"#));
    assert_eq!(proxy.conditions().down.latency_ms, 7);
    for (body, named) in [
        (r#"{"down":{"latency":7}}"#, "unknown field `latency`"),
        (r#"{"up":{"latency_ms":600001}}"#, "`up.latency_ms` is 600001"),
        (r#"{"down":{"hold":{"bytes":0,"ms":1}}}"#, "`down.hold.bytes` is 0"),
        (r#"{"idle_ms":1}"#, "`idle_ms` is 1"),
        (r#"{"down":{"latency_ms":"7"}}"#, "`down.latency_ms`: invalid type: string"),
        (r#"{"up":{"hold":{"bytes":10,"ms":true}}}"#, "`up.hold.ms`: invalid type: boolean"),
        (r#"{"up":{"hold":{"bytes":10}}}"#, "`up.hold`: missing field `ms`"),
        (r#"{"up":{"hold":[10,5]}}"#, "up.hold: expected an object"),
        (r#"{"idle_ms":-1}"#, "`idle_ms`: invalid value: integer `-1`"),
        (r#"{"refuse":1}"#, "`refuse`: invalid type"),
        ("nothing", "expected"),
    ] {
        let (status, told) = ask(api, "PUT", "/conditions", body);
        assert!(status == 400 && told.contains(named), "{body}: {status} {told}");
    }
    assert_eq!(proxy.conditions().down.latency_ms, 7, "a mistake changes nothing");
    let client = connect(proxy.address());
    let _server = accept(&upstream);
    let (_, list) = ask(api, "GET", "/connections", "");
    assert!(list.contains("\"id\":1"), "{list}");
    assert_eq!(ask(api, "POST", "/cut", r#"{"for_ms":600001}"#).0, 400);
    assert_eq!(ask(api, "POST", "/cut", r#"{"for_ms":0}"#).0, 200);
    assert!(end(&client).is_err());
    assert_eq!((ask(api, "POST", "/conditions", "").0, ask(api, "GET", "/", "").0), (405, 404));
}

#[test]
fn settings_are_read_one_by_one() {
    let of = |settings: &[(&str, &str)]| {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Conditions::of(&settings.iter().map(owned).collect::<Vec<_>>()).map_err(|error| error.to_string())
    };
    let read = of(&[("down.hold.bytes", "10"), ("down.hold.ms", "5"), ("up.stall", "true")]).unwrap();
    assert_eq!((read.down.hold, read.up.stall), (Some(Hold { bytes: 10, ms: 5 }), true));
    for (name, value) in [
        ("down.slow", "1"),
        ("idle_ms", "many"),
        ("idle_ms.x", "1"),
        ("idle_ms", "1"),
        ("down.latency_ms", "true"),
    ] {
        assert!(of(&[(name, value)]).unwrap_err().contains(name.split('.').next_back().unwrap()), "{name}");
    }
}
