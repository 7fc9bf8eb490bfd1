//! A link with real TCP over it. Where namespaces or TUN devices cannot be had, each test says so and ends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::link::{End, Link};
use super::namespace::Namespace;
use super::path::Terms;
use super::possible;
use super::visit::retransmitted;

const HERE: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 2);
const LONG: Duration = Duration::from_secs(60);
const EVENTS: u32 = 300;
const EVENT_BYTES: usize = 100;

/// Whether the machine allows it; told where not, so that a skipped test is seen as such with `--nocapture`.
fn is_possible() -> bool {
    let possible = possible();
    if let Err(why) = &possible {
        let _told = writeln!(std::io::stderr(), "skipped: {why}");
    }
    possible.is_ok()
}

fn link(terms: Terms) -> (Namespace, Namespace, Link) {
    let (here, there) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    let ends = [End { namespace: &here, address: HERE }, End { namespace: &there, address: THERE }];
    let link = Link::between(ends, terms, 1).unwrap();
    (here, there, link)
}

/// Sends numbered events through the link as a server does, and gives what came.
fn carried(here: &Namespace, there: &Namespace) -> Vec<u32> {
    let listener = there.run(|| TcpListener::bind((THERE, 0)).unwrap()).unwrap();
    let to = listener.local_addr().unwrap();
    let mut client = here.run(|| TcpStream::connect(to).unwrap()).unwrap();
    client.set_read_timeout(Some(LONG)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_nodelay(true).unwrap();
    let writer = thread::spawn(move || {
        for n in 0..EVENTS {
            let mut event = [0; EVENT_BYTES];
            event[..4].copy_from_slice(&n.to_be_bytes());
            server.write_all(&event).unwrap();
            thread::sleep(Duration::from_millis(2));
        }
    });
    let mut event = [0; EVENT_BYTES];
    let mut came = Vec::new();
    while client.read_exact(&mut event).is_ok() {
        came.push(u32::from_be_bytes([event[0], event[1], event[2], event[3]]));
    }
    writer.join().unwrap();
    came
}

#[test]
fn packets_are_lost_and_events_are_not() {
    if !is_possible() {
        return;
    }
    let terms = Terms { delay: Duration::from_millis(5), loss_percent: 10.0, ..Terms::default() };
    let (here, there, link) = link(terms);
    assert_eq!(carried(&here, &there), (0..EVENTS).collect::<Vec<u32>>());
    let lost = link.counts().map(|counts| counts.lost);
    assert!(lost[1] >= 5, "the link has lost {lost:?}");
    let again = there.run(retransmitted).unwrap().unwrap();
    assert!(again > 0, "the kernel has sent nothing again though {lost:?} were lost");
}

#[test]
fn a_link_that_loses_nothing_has_nothing_sent_again() {
    if !is_possible() {
        return;
    }
    let (here, there, link) = link(Terms::default());
    assert_eq!(carried(&here, &there), (0..EVENTS).collect::<Vec<u32>>());
    assert_eq!(link.counts().map(|counts| counts.lost + counts.dropped), [0, 0]);
}

#[test]
fn a_link_takes_its_time() {
    if !is_possible() {
        return;
    }
    let (here, there, _link) = link(Terms { delay: Duration::from_millis(50), ..Terms::default() });
    let listener = there.run(|| TcpListener::bind((THERE, 0)).unwrap()).unwrap();
    let (to, start) = (listener.local_addr().unwrap(), Instant::now());
    here.run(|| TcpStream::connect(to).unwrap()).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
}

#[test]
fn the_machine_itself_is_left_as_it_was() {
    if !is_possible() {
        return;
    }
    let (here, _there, _link) = link(Terms::default());
    let has_device = || std::fs::read_to_string("/proc/thread-self/net/dev").unwrap().contains("tun");
    assert!(here.run(has_device).unwrap());
    assert!(TcpListener::bind((HERE, 0)).is_err(), "the link's address is one of the machine");
}
