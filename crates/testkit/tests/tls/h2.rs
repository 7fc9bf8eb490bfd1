//! HTTP/2 for clients that choose it in the handshake (RFC 7301, RFC 9113), by hand.

use std::time::Instant;

use tricast_testkit::{Certificate, Connection, patience};

use crate::{on_each, server};

/// Kinds of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;

/// Flags: the end of a stream (of settings: an acknowledgement), and of a head.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The first byte of a head whose status is 200 (RFC 7541, appendix A, entry 8).
const STATUS_200: u8 = 0x88;

/// A connection on which HTTP/2 was agreed.
struct Peer(Connection);

impl Peer {
    fn open(address: std::net::SocketAddr, certificate: &Certificate) -> Self {
        let connection = Connection::open(address).unwrap();
        let mut connection = connection.secured(&certificate.client(&[b"h2", b"http/1.1"])).unwrap();
        assert_eq!(connection.protocol().as_deref(), Some(&b"h2"[..]));
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut peer = Self(connection);
        peer.send(SETTINGS, 0, 0, &[]);
        peer
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let len = (payload.len() as u32).to_be_bytes();
        let head = [&len[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.send([&head, payload].concat()).unwrap();
    }

    /// A `GET` on a stream: header fields as literals that are not indexed (RFC 7541, section 6.2.2).
    fn get(&mut self, stream: u32, target: &str) {
        let mut block = Vec::new();
        for (name, value) in
            [(":method", "GET"), (":scheme", "https"), (":authority", "test"), (":path", target)]
        {
            block.push(0);
            for text in [name, value] {
                // Lengths below 127 are one byte.
                block.push(text.len() as u8);
                block.extend_from_slice(text.as_bytes());
            }
        }
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &block);
    }

    /// The next frame of a stream: its kind, its flags and what it carries.
    fn frame(&mut self, stream: u32, deadline: Instant) -> (u8, u8, Vec<u8>) {
        loop {
            let head = self.0.take(9, deadline).unwrap();
            let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let payload = self.0.take(len, deadline).unwrap();
            let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if head[3] == SETTINGS && head[4] == 0 {
                self.send(SETTINGS, END_STREAM, 0, &[]);
            }
            if of == stream {
                return (head[3], head[4], payload);
            }
        }
    }

    /// Reads the head of an answer, which must be 200, and its data until they are enough.
    fn read_until(&mut self, stream: u32, is_enough: impl Fn(&str, bool) -> bool) -> String {
        let mut text = String::new();
        let (kind, _, block) = self.frame(stream, patience());
        assert_eq!((kind, block[0]), (HEADERS, STATUS_200));
        loop {
            let (kind, flags, data) = self.frame(stream, patience());
            assert_eq!(kind, DATA);
            text += std::str::from_utf8(&data).unwrap();
            if is_enough(&text, flags & END_STREAM != 0) {
                return text;
            }
        }
    }
}

#[test]
fn a_poll_and_a_stream_over_http_2() {
    on_each(|way| {
        let certificate = Certificate::shared();
        let server = server(way, &[]);
        let mut peer = Peer::open(server.address(), certificate);
        peer.get(1, "/v1/feeds/default/poll?wait=0");
        let answer = peer.read_until(1, |_, is_last| is_last);
        assert!(answer.contains("\"events\":[]"), "{answer}");
        peer.get(3, "/v1/feeds/default/sse");
        let mut peer_2 = Peer::open(server.address(), certificate);
        peer_2.get(1, "/v1/feeds/default/poll?wait=20");
        tricast_testkit::eventually("both are there", || {
            let mut asking = Peer::open(server.address(), certificate);
            asking.get(1, "/v1/feeds/default");
            let state = asking.read_until(1, |_, is_last| is_last);
            state.contains("\"sse\":1") && state.contains("\"poll\":1")
        });
        let mut publisher = server.connect().unwrap();
        for n in 0..3 {
            assert_eq!(publisher.exchange(crate::post(&n.to_string())).unwrap().status, 201);
        }
        let text = peer.read_until(3, |text, _| text.contains("\"data\":2"));
        let places: Vec<usize> = (0..3).map(|n| text.find(&format!("\"data\":{n}")).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        let answer = peer_2.read_until(1, |_, is_last| is_last);
        assert!(answer.contains("\"data\":0"), "{answer}");
    });
}
