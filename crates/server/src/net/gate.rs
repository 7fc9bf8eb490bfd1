//! Stands between a connection and actix's dispatcher, and lets through one request at a time.
//!
//! Three things need this. A request for a stream that comes after others on the same connection goes to the door like
//! a first one: between two requests the connection leaves the dispatcher, which sees its end. What a client sends ahead
//! of its answer waits here, bounded, and does not make the dispatcher turn in circles. And a head that does not come in
//! time ends the connection, also when it is not the first.
//!
//! The gate knows that an answer is out when its body was dropped ([`Serving`]) and the dispatcher then flushed, which it
//! does with nothing left in its buffer. A request whose length is not plain from its head (chunks, an upgrade, a head
//! that cannot be read) opens the gate for good.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::net::front::{head_len, is_stream};
use crate::net::wire::Wire;

/// Bytes that wait behind a request that is being answered.
const AHEAD_BYTES_MAX: usize = 16 << 10;

/// The longest head that is waited for; actix refuses longer ones.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Header lines that are looked at; with more the gate stays open.
const HEADER_LINES_MAX: usize = 96;

/// Bytes that one read takes.
const READ_BYTES: usize = 4096;

/// What the gate and whoever answers know together.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Requests let through and not answered yet.
    serving: Cell<usize>,
    /// Whether everything that was answered is written.
    is_written: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    /// The connection, once it has left.
    left: RefCell<Option<(Wire, BytesMut)>>,
}

/// A request that is being answered; dropped with the body of its answer.
#[derive(Debug)]
pub(crate) struct Serving(Rc<Ledger>);

impl Ledger {
    /// To be kept with the answer to the request that was let through last.
    pub(crate) fn serving(self: &Rc<Self>) -> Serving {
        Serving(Rc::clone(self))
    }

    /// The connection that has left the dispatcher, if it has.
    pub(crate) fn left(&self) -> Option<(Wire, BytesMut)> {
        self.left.borrow_mut().take()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.serving.set(self.0.serving.get().saturating_sub(1));
    }
}

/// What the gate does with bytes that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Waits for a whole head.
    Head,
    /// Lets so many bytes of one request through.
    Request(u64),
    /// Lets everything through.
    Everything,
}

/// A connection as actix sees it.
#[derive(Debug)]
pub(crate) struct GatedIo {
    /// Gone when the connection has left.
    wire: Option<Wire>,
    ahead: BytesMut,
    pass: Pass,
    /// Whether the client has ended its side.
    is_ended: bool,
    /// Whether requests for streams leave.
    leaves: bool,
    request_timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    ledger: Rc<Ledger>,
}

impl GatedIo {
    /// A connection of which `ahead` was read. With `leaves` it leaves for the door when a stream is asked for.
    pub(crate) fn new(wire: Wire, ahead: BytesMut, leaves: bool, request_timeout: Duration) -> Self {
        Self {
            // HTTP/2 has streams of its own.
            pass: if wire.is_h2() { Pass::Everything } else { Pass::Head },
            wire: Some(wire),
            ahead,
            is_ended: false,
            leaves,
            request_timeout,
            timer: None,
            ledger: Rc::default(),
        }
    }

    /// What the answering side shares with this gate.
    pub(crate) fn ledger(&self) -> Rc<Ledger> {
        Rc::clone(&self.ledger)
    }

    /// Reads more ahead. Ready once there is something new, or the end.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_ended {
            return Poll::Ready(Ok(()));
        }
        let Some(wire) = &mut self.wire else { return Poll::Pending };
        let mut piece = [0; READ_BYTES];
        let mut into = ReadBuf::new(&mut piece);
        ready!(Pin::new(wire).poll_read(cx, &mut into))?;
        self.is_ended = into.filled().is_empty();
        self.ahead.extend_from_slice(into.filled());
        Poll::Ready(Ok(()))
    }

    /// Hands out what was read, at most so many bytes.
    fn hand_out(&mut self, into: &mut ReadBuf<'_>, most: u64) -> u64 {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let now = self.ahead.len().min(into.remaining()).min(most);
        into.put_slice(&self.ahead[..now]);
        self.ahead.advance(now);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        now as u64
    }

    /// While a request is answered: only the end of the connection is of interest.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        *self.ledger.reader.borrow_mut() = Some(cx.waker().clone());
        while self.ahead.len() < AHEAD_BYTES_MAX {
            ready!(self.poll_ahead(cx))?;
            if self.is_ended {
                // Half of the connection is as good as none: a client that has ended its side has gone.
                return Poll::Ready(Ok(()));
            }
        }
        // With so much unread nobody would see the client go. A request that is answered soon lets it through; behind one
        // that is not, the connection ends.
        if self.is_late(cx) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Between two requests: waits for a whole head, and decides what it is.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Decision>> {
        loop {
            if let Some(len) = head_len(&self.ahead) {
                self.timer = None;
                return Poll::Ready(Ok(self.decide(len)));
            }
            if self.ahead.len() > HEAD_BYTES_MAX || self.is_ended {
                return Poll::Ready(Ok(Decision::Everything));
            }
            if !self.ahead.is_empty() && self.is_late(cx) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            ready!(self.poll_ahead(cx))?;
        }
    }

    /// Whether what is waited for, the rest of a head or the end of an answer, did not come in time.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = Instant::now() + self.request_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        timer.as_mut().poll(cx).is_ready()
    }

    fn decide(&self, len: usize) -> Decision {
        let head = &self.ahead[..len];
        if self.leaves && is_stream(head) {
            return Decision::Leave;
        }
        body_len(head).map_or(Decision::Everything, |body| Decision::Request(len as u64 + body))
    }
}

/// What a head leads to.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// The connection goes to the door.
    Leave,
    /// A request of so many bytes.
    Request(u64),
    /// The gate opens for good.
    Everything,
}

/// The length of a request's body, where its head says it plainly (RFC 9112, section 6.3).
pub(crate) fn body_len(head: &[u8]) -> Option<u64> {
    let mut lines = [httparse::EMPTY_HEADER; HEADER_LINES_MAX];
    let mut request = httparse::Request::new(&mut lines);
    request.parse(head).ok().filter(httparse::Status::is_complete)?;
    if request.method == Some("CONNECT") || request.version != Some(1) {
        return None;
    }
    let mut len = 0;
    for line in request.headers.iter() {
        if line.name.eq_ignore_ascii_case("transfer-encoding") || line.name.eq_ignore_ascii_case("upgrade") {
            return None;
        }
        if line.name.eq_ignore_ascii_case("content-length") {
            len = std::str::from_utf8(line.value).ok()?.trim().parse().ok()?;
        }
    }
    Some(len)
}

impl AsyncRead for GatedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        loop {
            match io.pass {
                Pass::Everything => {
                    if io.ahead.is_empty() && !io.is_ended {
                        let Some(wire) = &mut io.wire else { return Poll::Ready(Ok(())) };
                        return Pin::new(wire).poll_read(cx, into);
                    }
                    io.hand_out(into, u64::MAX);
                    return Poll::Ready(Ok(()));
                }
                Pass::Request(0) if io.ledger.serving.get() > 0 || !io.ledger.is_written.get() => {
                    return io.poll_end(cx);
                }
                Pass::Request(0) => {
                    io.timer = None;
                    io.pass = Pass::Head;
                }
                Pass::Request(left) => {
                    if io.ahead.is_empty() {
                        ready!(io.poll_ahead(cx))?;
                    }
                    io.pass = Pass::Request(left - io.hand_out(into, left));
                    return Poll::Ready(Ok(()));
                }
                Pass::Head => match ready!(io.poll_head(cx))? {
                    Decision::Leave => {
                        let ahead = std::mem::take(&mut io.ahead);
                        *io.ledger.left.borrow_mut() = io.wire.take().map(|wire| (wire, ahead));
                        io.pass = Pass::Everything;
                        return Poll::Ready(Ok(()));
                    }
                    Decision::Request(len) => {
                        io.ledger.serving.set(1);
                        io.ledger.is_written.set(false);
                        io.pass = Pass::Request(len);
                    }
                    Decision::Everything => io.pass = Pass::Everything,
                },
            }
        }
    }
}

impl AsyncWrite for GatedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().wire {
            Some(wire) => Pin::new(wire).poll_write(cx, bytes),
            None => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        let Some(wire) = &mut io.wire else { return Poll::Ready(Ok(())) };
        ready!(Pin::new(wire).poll_flush(cx))?;
        if io.ledger.serving.get() == 0 && !io.ledger.is_written.replace(true) {
            let reader = io.ledger.reader.borrow_mut().take();
            reader.into_iter().for_each(Waker::wake);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            Some(wire) => Pin::new(wire).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn the_length_of_a_body() {
        let len = |lines: &str| body_len(format!("POST / HTTP/1.1\r\n{lines}\r\n").as_bytes());
        assert_eq!(len("host: h\r\n"), Some(0));
        assert_eq!(len("Content-Length: 12\r\n"), Some(12));
        assert_eq!(len("content-length: 12, 12\r\n"), None);
        assert_eq!(len("content-length: -1\r\n"), None);
        assert_eq!(len("transfer-encoding: chunked\r\n"), None);
        assert_eq!(len("connection: upgrade\r\nupgrade: x\r\n"), None);
        assert_eq!(body_len(b"GET / HTTP/1.0\r\n\r\n"), None);
        assert_eq!(body_len(b"\x16\x03\x01\r\n\r\n"), None);
    }
    const POLL: &str = "GET /v1/feeds/n/poll HTTP/1.1\r\nhost: h\r\n\r\n";

    /// What a dispatcher got of a connection on which `sent` came, cut before each of these places.
    struct Got {
        /// The requests, one after the other.
        requests: Vec<Vec<u8>>,
        /// What the connection left with, if it left.
        ahead: Option<BytesMut>,
    }

    /// A dispatcher that knows where requests end, answers each and then reads on.
    async fn dispatch(mut io: GatedIo, lens: Vec<usize>) -> Got {
        let ledger = io.ledger();
        let mut requests = Vec::new();
        for len in lens {
            let mut request = Vec::new();
            while request.len() < len {
                // With room for more than the request: the gate must not give more.
                let mut piece = BytesMut::with_capacity(READ_BYTES);
                if io.read_buf(&mut piece).await.unwrap() == 0 {
                    break;
                }
                request.extend_from_slice(&piece);
            }
            if request.is_empty() {
                break;
            }
            requests.push(request);
            let serving = ledger.serving();
            io.write_all(b"answer").await.unwrap();
            drop(serving);
            io.flush().await.unwrap();
        }
        // The end, or what it takes for one.
        assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
        Got { requests, ahead: ledger.left().map(|(_, ahead)| ahead) }
    }

    /// Sends the bytes in pieces, and has the rest of a connection that left read too.
    fn through_the_gate(sent: &[u8], cuts: &[usize], lens: &[usize]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(1 << 20);
            let io = GatedIo::new(Wire::Memory(server), BytesMut::new(), true, Duration::from_secs(60));
            let client = async move {
                let mut from = 0;
                for cut in cuts.iter().copied().chain([sent.len()]) {
                    client.write_all(&sent[from..cut]).await.unwrap();
                    from = cut;
                    tokio::task::yield_now().await;
                }
                client.shutdown().await.unwrap();
                client
            };
            let (got, _client) = futures::join!(dispatch(io, lens.to_vec()), client);
            (got.requests, got.ahead.map(|ahead| ahead.to_vec()).unwrap_or_default())
        })
    }

    fn post(body: usize) -> Vec<u8> {
        let head = format!("POST /v1/feeds/n/events HTTP/1.1\r\nhost: h\r\ncontent-length: {body}\r\n\r\n");
        [head.as_bytes(), &vec![b'\n'; body]].concat()
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// Cut anywhere, each request comes through alone, whole and in order, and a poll leaves with what is read by
        /// then and no more and no less.
        #[test]
        fn requests_come_through_one_by_one(
            bodies in proptest::collection::vec(0_usize..6000, 1..6),
            places in proptest::collection::vec(0_usize..40_000, 0..12),
        ) {
            let requests: Vec<Vec<u8>> = bodies.iter().map(|body| post(*body)).collect();
            let sent = [&requests.concat()[..], POLL.as_bytes()].concat();
            let mut cuts: Vec<usize> = places.iter().map(|place| place % sent.len()).collect();
            cuts.sort_unstable();
            let lens: Vec<usize> = requests.iter().map(Vec::len).collect();
            let (got, ahead) = through_the_gate(&sent, &cuts, &lens);
            proptest::prop_assert_eq!(got, requests);
            proptest::prop_assert_eq!(ahead, POLL.as_bytes());
        }
    }

    #[test]
    fn cut_at_every_byte() {
        let requests = [post(5), b"HEAD / HTTP/1.1\r\nhost: h\r\n\r\n".to_vec()];
        let sent = [&requests.concat()[..], POLL.as_bytes()].concat();
        let lens: Vec<usize> = requests.iter().map(Vec::len).collect();
        for cut in 0..sent.len() {
            let (got, ahead) = through_the_gate(&sent, &[cut], &lens);
            assert_eq!((&got[..], &ahead[..]), (&requests[..], POLL.as_bytes()), "cut at {cut}");
        }
    }

    /// Behind chunks the gate stands open: nobody but the dispatcher knows where they end.
    #[test]
    fn chunks_open_it_for_good() {
        let head = "POST /v1/feeds/n/events HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        let sent = format!("{head}2\r\n{{}}\r\n0\r\n\r\n{POLL}");
        let lens = [sent.len() - POLL.len(), POLL.len()];
        let (got, ahead) = through_the_gate(sent.as_bytes(), &[head.len(), sent.len() - POLL.len()], &lens);
        assert_eq!((got.concat(), &ahead[..]), (sent.into_bytes(), &b""[..]));
    }

    /// A head that drips ends the connection, whatever came before it.
    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_ended() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut io = GatedIo::new(Wire::Memory(server), BytesMut::new(), true, Duration::from_secs(5));
        let start = Instant::now();
        let drip = async {
            loop {
                if client.write_all(b"x").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(900)).await;
            }
        };
        let read = async {
            let error = io.read(&mut [0; 10]).await.unwrap_err();
            drop(io);
            error
        };
        let (error, ()) = futures::join!(read, drip);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((5..7).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }
}
