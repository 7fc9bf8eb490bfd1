//! Subscribers who do nothing wrong, on all three transports, and see that nothing happens to them.

use tricast_testkit::{Lane, Opening, Subscriber, TestServer, eventually, memory};

/// One subscriber on each transport.
pub(crate) struct Witnesses {
    all: Vec<Subscriber>,
    published: u64,
}

impl Witnesses {
    pub(crate) fn open(server: &TestServer) -> Self {
        let open = |lane: &Lane| Subscriber::open(server, *lane, &Opening::new());
        Self { all: Lane::ALL.iter().map(open).collect(), published: 0 }
    }

    /// How many they are.
    pub(crate) fn count(&self) -> u64 {
        self.all.len() as u64
    }

    /// Sees events until no stream is open but theirs. Where a stream that answers no ping is soon ended, waiting without
    /// reading would end theirs.
    #[track_caller]
    pub(crate) fn see_until_alone(&mut self, server: &TestServer) {
        eventually("the witnesses' streams are the only ones", || {
            self.see(server, 1, 10);
            let streams = &server.state()["subscribers"];
            (streams["sse"].as_u64(), streams["ws"].as_u64()) == (Some(1), Some(1))
        });
    }

    /// Publishes events with so many bytes of filling, and sees each of them arrive everywhere. Only then are they
    /// followed by others, so that nobody here can fall behind.
    #[track_caller]
    pub(crate) fn see(&mut self, server: &TestServer, count: u64, filling: usize) {
        let filling = "x".repeat(filling);
        let first = self.published;
        let numbers = first..first + count;
        self.published += count;
        server.publish_all(numbers.clone().map(|n| format!("[{n},\"{filling}\"]")));
        for witness in &mut self.all {
            for n in numbers.clone() {
                let event = witness.event();
                assert!(event.data.starts_with(&format!("[{n},")), "{}: {}", witness.lane(), event.id);
            }
        }
    }
}

/// Does something, and sees that the process did not come to hold more than so many bytes by it.
#[track_caller]
pub(crate) fn holds_at_most<T>(bytes_max: u64, work: impl FnOnce() -> T) -> T {
    let before = memory();
    let done = work();
    let grown = memory().saturating_sub(before);
    assert!(grown <= bytes_max, "the process holds {grown} bytes more, and {bytes_max} were allowed");
    done
}
