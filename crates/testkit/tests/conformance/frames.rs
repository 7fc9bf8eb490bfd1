//! WebSocket frames: what RFC 6455 forbids is closed with its code at once, what it asks for is done.

use tricast_testkit::{Frame, Lane, Opening, Subscriber, TestServer, WsPeer, client_frame, patience};

const PATH: &str = "/v1/feeds/default/ws";
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
const NO_MASK: [u8; 4] = [0; 4];

/// Sends bytes after the handshake and reads up to the close frame and the end of the connection.
#[track_caller]
fn close_code(server: &TestServer, bytes: &[u8]) -> u16 {
    let mut peer = WsPeer::open(server, PATH).unwrap();
    peer.connection.send(bytes).unwrap();
    end_of(&mut peer)
}

#[track_caller]
fn end_of(peer: &mut WsPeer) -> u16 {
    let mut code = None;
    while let Some(frame) = peer.next(patience()).unwrap() {
        assert_eq!(code, None, "a close frame is the last one: {frame:?}");
        if let Frame::Close(closed, _) = frame {
            code = Some(closed);
        }
    }
    code.expect("a close frame before the end")
}

/// The header of a frame that declares so much, without its payload.
fn declared(first: u8, len: u64) -> Vec<u8> {
    [&[first, 0xff][..], &len.to_be_bytes(), &MASK].concat()
}

#[test]
fn faults_close_with_their_code() {
    let server = TestServer::start();
    let mut witness = Subscriber::open(&server, Lane::Ws, &Opening::new());
    let faults = [
        ("a terabyte, declared", declared(0x81, 1 << 40), 1009),
        ("more than there is memory for", declared(0x81, u64::MAX >> 1), 1009),
        ("the top bit of the length", declared(0x81, u64::MAX), 1009),
        ("one byte over the limit", declared(0x81, 65_537), 1009),
        (
            "over the limit in two frames",
            [client_frame(0x01, &[b'x'; 40_000], MASK), declared(0x80, 65_536)].concat(),
            1009,
        ),
        ("binary", client_frame(0x82, b"\0", MASK), 1003),
        ("empty binary", client_frame(0x82, b"", MASK), 1003),
        ("no UTF-8", client_frame(0x81, b"\"\xff\"", MASK), 1007),
        ("half a character", client_frame(0x81, b"\xe2\x82", MASK), 1007),
        ("a surrogate in UTF-8", client_frame(0x81, b"\xed\xa0\x80", MASK), 1007),
        ("overlong UTF-8", client_frame(0x81, b"\xc0\x80", MASK), 1007),
        ("RSV1", client_frame(0xc1, b"{}", MASK), 1002),
        ("RSV2", client_frame(0xa1, b"{}", MASK), 1002),
        ("RSV3 on a ping", client_frame(0x99, b"", MASK), 1002),
        ("no mask", vec![0x81, 2, b'{', b'}'], 1002),
        ("an opcode that is reserved", client_frame(0x83, b"", MASK), 1002),
        ("a control opcode that is reserved", client_frame(0x8b, b"", MASK), 1002),
        ("a ping in pieces", client_frame(0x09, b"", MASK), 1002),
        ("a ping of 126 bytes", client_frame(0x89, &[0; 126], MASK), 1002),
        ("a close of one byte", client_frame(0x88, b"\x03", MASK), 1002),
        ("a close code that is never sent", client_frame(0x88, &1005_u16.to_be_bytes(), MASK), 1002),
        ("a close reason that is no UTF-8", client_frame(0x88, b"\x03\xe8\xff", MASK), 1007),
        ("a continuation of nothing", client_frame(0x80, b"{}", MASK), 1002),
        (
            "a message inside another",
            [client_frame(0x01, b"{", MASK), client_frame(0x81, b"{}", MASK)].concat(),
            1002,
        ),
        ("a length in more bytes than it needs", [&[0x81, 0xfe, 0, 2][..], &NO_MASK, b"{}"].concat(), 1002),
    ];
    // All at once: a server may keep a connection for a moment after its close frame.
    std::thread::scope(|scope| {
        for (what, bytes, code) in &faults {
            let server = &server;
            scope.spawn(move || assert_eq!(close_code(server, bytes), *code, "{what}"));
        }
    });
    server.publish_all([1]);
    assert_eq!(witness.data(1), ["1"], "nobody else noticed");
    drop(witness);
    server.wait_for_subscribers(0);
}

/// A terabyte that really begins to come: the answer is there although the client goes on sending.
#[test]
fn a_terabyte_that_begins_to_come() {
    let server = TestServer::plain(&[]);
    let mut peer = WsPeer::open(&server, PATH).unwrap();
    peer.connection.send(declared(0x81, 1 << 40)).unwrap();
    let mut sender = peer.connection.sender().unwrap();
    let sending = std::thread::spawn(move || {
        use std::io::Write as _;
        let piece = [0; 16 << 10];
        (0..4096).take_while(|_| sender.write_all(&piece).is_ok()).count()
    });
    let closed = std::iter::from_fn(|| peer.next(patience()).ok().flatten());
    assert!(closed.into_iter().any(|frame| matches!(frame, Frame::Close(1009, _))));
    drop(peer);
    sending.join().unwrap();
    server.wait_for_subscribers(0);
}

#[test]
fn frames_cut_anywhere_are_whole() {
    let server = TestServer::start();
    let mut peer = WsPeer::open(&server, PATH).unwrap();
    let text = "{\"op\":\"ping\",\"ref\":\"é😀\"}".as_bytes();
    // One message in frames of one byte, pings between, and every byte in its own segment.
    let mut bytes = Vec::new();
    for (place, byte) in text.iter().enumerate() {
        let first = u8::from(place == 0) | if place + 1 == text.len() { 0x80 } else { 0 };
        bytes.extend(client_frame(first, &[*byte], [place as u8, 2, 3, 4]));
        if place % 8 == 0 {
            bytes.extend(client_frame(0x8a, b"unasked", MASK));
        }
    }
    for byte in bytes {
        peer.connection.send([byte]).unwrap();
    }
    let reply = loop {
        match peer.next(patience()).unwrap().unwrap() {
            Frame::Text(text) if text.contains("reply") => break text,
            _ => {}
        }
    };
    assert_eq!(reply, "{\"reply\":\"é😀\",\"ok\":true}");
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let server = TestServer::start();
    let mut peer = WsPeer::open(&server, PATH).unwrap();
    for payload in [&b""[..], b"hello", &[0xff; 125]] {
        peer.send_frame(0x89, payload).unwrap();
        let pong = std::iter::from_fn(|| peer.next(patience()).unwrap())
            .find(|frame| !matches!(frame, Frame::Text(_)));
        assert_eq!(pong, Some(Frame::Pong(payload.to_vec())));
    }
}

#[test]
fn a_close_is_echoed_and_ends_the_connection() {
    let server = TestServer::start();
    for (payload, code) in [(&b""[..], 1000), (&1000_u16.to_be_bytes(), 1000), (b"\x0f\xa0bye", 4000)] {
        let mut peer = WsPeer::open(&server, PATH).unwrap();
        peer.send_frame(0x88, payload).unwrap();
        assert_eq!(end_of(&mut peer), code);
    }
    server.wait_for_subscribers(0);
}

/// The handshake and the first frames in one segment: what came early is not lost.
#[test]
fn frames_right_behind_the_handshake() {
    let server = TestServer::start();
    let mut connection = server.connect().unwrap();
    let mut bytes = WsPeer::request(PATH, "").into_bytes();
    bytes.extend(client_frame(0x81, br#"{"op":"publish","data":"early","ref":1}"#, MASK));
    connection.send(bytes).unwrap();
    assert_eq!(connection.head(patience()).unwrap().status, 101);
    tricast_testkit::eventually("the event is in the log", || server.state()["last"] == 1);
}
