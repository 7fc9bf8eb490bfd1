//! WebSocket peers that send much and read nothing.

use tricast_testkit::{Frame, TestServer, WsPeer, client_frame, patience};

use crate::way::Way;
use crate::witness::{Witnesses, holds_at_most};
use crate::{MIB, flood};

on_each_way!(
    a_flood_of_pings_is_answered_by_its_newest,
    who_never_reads_pongs_is_given_no_memory,
    who_never_reads_replies_is_not_read_from,
    a_fault_amid_events_is_told_between_two_frames,
);

const PATH: &str = "/v1/feeds/default/ws";
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A WebSocket whose own buffers are small, so that not reading is felt soon.
fn narrow(server: &TestServer) -> WsPeer {
    let connection = server.connect_narrow(4096).unwrap();
    WsPeer::open_over(connection, PATH).unwrap().0
}

/// The next pong; anything else is passed over.
#[track_caller]
fn pong(peer: &mut WsPeer) -> u32 {
    loop {
        match peer.next(patience()).unwrap().expect("the socket is open") {
            Frame::Pong(payload) => return u32::from_be_bytes(payload.try_into().unwrap()),
            Frame::Close(code, reason) => panic!("closed: {code} {reason}"),
            Frame::Text(_) | Frame::Ping(_) => {}
        }
    }
}

/// Of ten thousand pings at once the newest must be answered, and older ones may be (RFC 6455, section 5.5.3).
fn a_flood_of_pings_is_answered_by_its_newest(way: Way) {
    const PINGS: u32 = 10_000;
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    let mut peer = WsPeer::open(&server, PATH).unwrap();
    let mut sender = peer.connection.sender().unwrap();
    let pings: Vec<u8> = (0..PINGS).flat_map(|n| client_frame(0x89, &n.to_be_bytes(), MASK)).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| std::io::Write::write_all(&mut sender, &pings).unwrap());
        for _ in 0..20 {
            witnesses.see(&server, 1, 100);
        }
    });
    let mut newest = pong(&mut peer);
    while newest + 1 < PINGS {
        let next = pong(&mut peer);
        assert!(next > newest, "a pong to {next} after one to {newest}");
        newest = next;
    }
}

/// Pongs that nobody reads are no queue.
fn who_never_reads_pongs_is_given_no_memory(way: Way) {
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    witnesses.see(&server, 1, 0);
    let peer = narrow(&server);
    let mut sender = peer.connection.sender().unwrap();
    let pings = client_frame(0x89, &[b'p'; 125], MASK).repeat(500);
    holds_at_most(8 * MIB, || {
        std::thread::scope(|scope| {
            let flooding = scope.spawn(|| flood(&mut sender, &pings, 8 * MIB));
            for _ in 0..10 {
                witnesses.see(&server, 1, 100);
            }
            assert!(flooding.join().unwrap() > 0);
        });
    });
    witnesses.see(&server, 10, 100);
    drop((peer, sender));
    server.wait_for_subscribers(witnesses.count());
}

/// Answers that nobody reads fill the way back, and then no more commands are taken; they wait with their sender. Once
/// he reads, each of them is answered.
fn who_never_reads_replies_is_not_read_from(way: Way) {
    const SENT_MAX: u64 = 32 * MIB;
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    witnesses.see(&server, 1, 0);
    let mut peer = narrow(&server);
    let mut sender = peer.connection.sender().unwrap();
    // Refused, with a reason: the answer is longer than it need be.
    let command =
        client_frame(0x81, format!("{{\"op\":\"ping\",\"{}\":1}}", "x".repeat(100)).as_bytes(), MASK);
    let commands = command.repeat(1000);
    let sent = holds_at_most(8 * MIB, || {
        std::thread::scope(|scope| {
            let flooding = scope.spawn(|| flood(&mut sender, &commands, SENT_MAX));
            for _ in 0..10 {
                witnesses.see(&server, 1, 100);
            }
            flooding.join().unwrap()
        })
    });
    assert!(sent < SENT_MAX, "{sent} bytes of commands were taken, and not one answer was read");
    witnesses.see(&server, 10, 100);
    let mut due = sent / command.len() as u64;
    while due > 0 {
        match peer.next(patience()).unwrap().expect("the socket is open") {
            Frame::Text(text) if text.starts_with("{\"reply\"") => due -= 1,
            Frame::Close(code, reason) => panic!("closed with {due} answers due: {code} {reason}"),
            _ => {}
        }
    }
}

/// The close frame of a fault waits for the end of the frame that is being written, and nothing follows it. One client
/// reads meanwhile; the other has left its buffers full, so that the server stands in the middle of a frame.
fn a_fault_amid_events_is_told_between_two_frames(way: Way) {
    let faults = [
        (vec![0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0], 1009),
        (client_frame(0xc1, b"{}", MASK), 1002),
        (vec![0x81, 2, b'{', b'}'], 1002),
        (client_frame(0x09, b"", MASK), 1002),
        (client_frame(0x81, b"\xc0\x80", MASK), 1007),
    ];
    let server = way.server(&[]);
    let mut witnesses = Witnesses::open(&server);
    let mut reading = faults.clone().map(|_| WsPeer::open(&server, PATH).unwrap());
    let mut full = faults.clone().map(|_| narrow(&server));
    server.wait_for_subscribers(witnesses.count() + 2 * faults.len() as u64);
    std::thread::scope(|scope| {
        for (peer, (fault, code)) in reading.iter_mut().zip(&faults) {
            scope.spawn(move || {
                for _ in 0..10 {
                    peer.next(patience()).unwrap();
                }
                peer.connection.send(fault).unwrap();
                assert_eq!(code_at_the_end(peer), *code);
            });
        }
        for _ in 0..30 {
            witnesses.see(&server, 20, 10_000);
        }
    });
    for (peer, (fault, code)) in full.iter_mut().zip(&faults) {
        peer.connection.send(fault).unwrap();
        assert_eq!(code_at_the_end(peer), *code);
    }
    server.wait_for_subscribers(witnesses.count());
}

/// Reads whole frames up to the close frame and the end behind it.
#[track_caller]
fn code_at_the_end(peer: &mut WsPeer) -> u16 {
    loop {
        match peer.next(patience()).unwrap().expect("a close frame before the end") {
            Frame::Close(code, _) => {
                assert!(
                    peer.connection.is_ended(patience()).unwrap_or(true),
                    "a close frame is the last one"
                );
                return code;
            }
            Frame::Text(_) | Frame::Ping(_) | Frame::Pong(_) => {}
        }
    }
}
