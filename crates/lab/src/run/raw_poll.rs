//! The raw answering loop: a process that receives requests, parses them, waits to be told that there is an event, and
//! sends the same prepared answer to everybody who asked. No server can answer long polls for less without leaving a
//! step out.
//!
//! It is measured from outside, like a server: all of its CPU time counts, waiting for sockets included.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;

use httparse::{EMPTY_HEADER, Request, Status};
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::error::{LabError, Result};

const CONNECTIONS_MAX: u32 = 18_000;
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const HEADERS_MAX: usize = 16;
const READY_MAX: usize = 512;
/// A request fits into this many bytes, or it is none of the laboratory's.
const REQUEST_BYTES_MAX: usize = 4096;
const CONTROL: u64 = u64::MAX;

/// One connection: what it asked for and has not got.
#[derive(Debug)]
struct Asker {
    stream: TcpStream,
    /// Bytes of a request that is not complete.
    unread: Vec<u8>,
    /// A whole request waits for its answer.
    parked: bool,
    /// The last event that it got.
    served: u64,
}

/// The loop's state.
#[derive(Debug)]
struct Answering {
    askers: Vec<Asker>,
    answer: Vec<u8>,
    /// Events so far.
    events: u64,
}

/// The hidden role: `--connections N --payload FILE`. It takes one control connection and then the askers; a byte on
/// the control connection is an event, and the end of any connection is the end.
///
/// # Errors
/// Arguments it does not know, an answer it cannot read, a socket that fails, a request that is none.
pub(crate) fn role(arguments: &[OsString], out: &mut dyn Write) -> Result<()> {
    let (connections, answer) = options(arguments)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(LabError::io("listen"))?;
    let address = listener.local_addr().map_err(LabError::io("listen"))?;
    writeln!(out, "listening {address}").and_then(|()| out.flush()).map_err(LabError::io("say where"))?;
    let accept = || {
        let (stream, _) = listener.accept().map_err(LabError::io("accept"))?;
        let ready = stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true));
        ready.map(|()| stream).map_err(LabError::io("prepare a socket"))
    };
    let control = accept()?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &control, EventData::new_u64(CONTROL), EventFlags::IN)?;
    let mut askers = Vec::with_capacity(connections as usize);
    for index in 0..u64::from(connections) {
        let stream = accept()?;
        epoll::add(&epoll, &stream, EventData::new_u64(index), EventFlags::IN)?;
        askers.push(Asker { stream, unread: Vec::new(), parked: false, served: 0 });
    }
    Answering { askers, answer, events: 0 }.run(&epoll, control)
}

impl Answering {
    fn run(&mut self, epoll: &OwnedFd, mut control: TcpStream) -> Result<()> {
        let mut ready = Vec::with_capacity(READY_MAX);
        let mut buffer = [0; REQUEST_BYTES_MAX];
        loop {
            ready.clear();
            epoll::wait(epoll, rustix::buffer::spare_capacity(&mut ready), None)?;
            for event in &ready {
                let token = event.data.u64();
                let goes_on = if token == CONTROL {
                    let events = read(&mut control, &mut buffer)?;
                    events.map(|events| self.publish(events as u64)).transpose()?.is_some()
                } else {
                    self.read(token as usize, &mut buffer)?
                };
                if !goes_on {
                    return Ok(());
                }
            }
        }
    }

    fn publish(&mut self, events: u64) -> Result<()> {
        self.events += events;
        let Self { askers, answer, events } = self;
        askers.iter_mut().filter(|asker| asker.parked).try_for_each(|asker| asker.serve(answer, *events))
    }

    /// Reads from an asker; whether it is still there. They all go together, and which of them is seen first is chance.
    fn read(&mut self, index: usize, buffer: &mut [u8]) -> Result<bool> {
        let Self { askers, answer, events } = self;
        let Some(asker) = askers.get_mut(index) else { return Ok(true) };
        let Some(bytes) = read(&mut asker.stream, buffer)? else { return Ok(false) };
        asker.unread.extend_from_slice(&buffer[..bytes]);
        asker.parked = asker.has_request()?;
        if asker.parked && asker.served < *events {
            asker.serve(answer, *events)?;
        }
        Ok(true)
    }
}

impl Asker {
    /// Takes a whole request from what came.
    fn has_request(&mut self) -> Result<bool> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = Request::new(&mut headers);
        match request.parse(&self.unread) {
            Ok(Status::Complete(bytes)) => {
                self.unread.drain(..bytes);
                Ok(true)
            }
            Ok(Status::Partial) if self.unread.len() < REQUEST_BYTES_MAX => Ok(self.parked),
            _ => Err(LabError::Role("what came is no request".to_owned())),
        }
    }

    fn serve(&mut self, answer: &[u8], event: u64) -> Result<()> {
        self.parked = false;
        self.served = event;
        self.stream.write_all(answer).map_err(LabError::io("send"))
    }
}

/// Reads once; `None` at the end, and nothing where nothing is there yet.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<Option<usize>> {
    match stream.read(buffer) {
        Ok(0) => Ok(None),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Some(0)),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(LabError::io("receive")(error)),
    }
}

/// `--connections N --payload FILE`, in this order.
fn options(arguments: &[OsString]) -> Result<(u32, Vec<u8>)> {
    let usage = || {
        LabError::Role(format!("raw-poll wants --connections N --payload FILE, N at most {CONNECTIONS_MAX}"))
    };
    let [first, connections, second, file] = arguments else { return Err(usage()) };
    let connections =
        connections.to_str().and_then(|text| text.parse().ok()).filter(|n| *n <= CONNECTIONS_MAX);
    let (Some(connections), true, true) = (connections, first == "--connections", second == "--payload")
    else {
        return Err(usage());
    };
    let file = Path::new(file);
    let failed = || LabError::io(format!("read {}", file.display()));
    let bytes = fs::metadata(file).map_err(failed())?.len();
    if bytes == 0 || bytes > ANSWER_BYTES_MAX {
        return Err(LabError::Role(format!("payload of {bytes} bytes")));
    }
    Ok((connections, fs::read(file).map_err(failed())?))
}
