//! One client on any lane, in the same words on all three.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::line::{End, Line};
use crate::reach::Reach;
use crate::{Close, Event, Lane, Message, Opening, PATIENCE, Response, Sync, TestServer};

/// One client.
#[derive(Debug)]
pub struct Subscriber {
    reach: Reach,
    lane: Lane,
    opening: Opening,
    line: Line,
    came: VecDeque<Message>,
    sync: Sync,
    cursor: String,
    replies: u64,
}

/// What a client keeps of a line that was cut: enough to go on.
#[derive(Debug, Clone)]
pub struct Kept {
    opening: Opening,
    /// Where it stands.
    pub cursor: String,
    /// Its session.
    pub session: String,
}

impl Subscriber {
    /// Subscribes, and reads the `sync` that comes first.
    ///
    /// # Panics
    /// If it is refused, or anything else comes first.
    #[track_caller]
    #[must_use]
    pub fn open(server: &TestServer, lane: Lane, opening: &Opening) -> Self {
        Self::over(server.reach(), lane, opening, None)
    }

    /// Subscribes with a small receive buffer, so that not reading is felt soon.
    ///
    /// # Panics
    /// As [`Subscriber::open`].
    #[track_caller]
    #[must_use]
    pub fn open_narrow(server: &TestServer, lane: Lane, opening: &Opening) -> Self {
        Self::over(server.reach(), lane, opening, Some(4096))
    }

    #[track_caller]
    fn over(reach: &Reach, lane: Lane, opening: &Opening, receive_buffer: Option<usize>) -> Self {
        let line = reach
            .connect(receive_buffer)
            .and_then(|connection| Line::open(lane, connection, opening))
            .unwrap_or_else(|error| panic!("{lane}: {opening:?}: {error}"));
        let mut subscriber = Self {
            reach: reach.clone(),
            lane,
            opening: opening.clone(),
            line,
            came: VecDeque::new(),
            sync: Sync {
                session: String::new(),
                member: String::new(),
                cursor: String::new(),
                state: String::new(),
                missed: None,
                beat: 0,
            },
            cursor: String::new(),
            replies: 0,
        };
        match subscriber.message() {
            Message::Sync(sync) => subscriber.sync = sync,
            other => panic!("{lane}: the first thing is {other:?}"),
        }
        subscriber
    }

    /// Its lane.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// What it was told first.
    #[must_use]
    pub fn sync(&self) -> &Sync {
        &self.sync
    }

    /// Its session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.sync.session
    }

    /// Its session's public name.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.sync.member
    }

    /// Where it stands: the cursor of the last thing that [`Subscriber::message`] gave.
    #[must_use]
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The next message within a time, or `None` if none came.
    ///
    /// # Panics
    /// If the line breaks or ends.
    #[track_caller]
    pub fn next_within(&mut self, time: Duration) -> Option<Message> {
        let deadline = Instant::now() + time;
        while self.came.is_empty() {
            match self.line.read(deadline) {
                Ok(Some(messages)) => self.came.extend(messages),
                Ok(None) => panic!("{}: it has ended", self.lane),
                Err(error) if error.kind() == ErrorKind::TimedOut => return None,
                Err(error) => panic!("{}: {error}", self.lane),
            }
        }
        let message = self.came.pop_front()?;
        if let Some(cursor) = message.cursor() {
            cursor.clone_into(&mut self.cursor);
        }
        Some(message)
    }

    /// The next message.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn message(&mut self) -> Message {
        let lane = self.lane;
        self.next_within(PATIENCE).unwrap_or_else(|| panic!("{lane}: nothing comes"))
    }

    /// The next message that is no beat.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn next_news(&mut self) -> Message {
        loop {
            match self.message() {
                Message::Beat(_) => {}
                message => return message,
            }
        }
    }

    /// The next event; beats before it are passed over, and nothing else.
    ///
    /// # Panics
    /// If something else comes.
    #[track_caller]
    pub fn event(&mut self) -> Event {
        match self.next_news() {
            Message::Event(event) => event,
            other => panic!("{}: an event was expected, and {other:?} came", self.lane),
        }
    }

    /// The next events.
    ///
    /// # Panics
    /// As [`Subscriber::event`].
    #[track_caller]
    pub fn events(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    /// The `data` of the next events, each as its text.
    ///
    /// # Panics
    /// As [`Subscriber::event`].
    #[track_caller]
    pub fn data(&mut self, count: usize) -> Vec<String> {
        self.events(count).into_iter().map(|event| event.data).collect()
    }

    /// The next beat; on long polling an empty answer.
    ///
    /// # Panics
    /// If something else comes.
    #[track_caller]
    pub fn beat(&mut self) -> String {
        match self.message() {
            Message::Beat(cursor) => cursor,
            other => panic!("{}: a beat was expected, and {other:?} came", self.lane),
        }
    }

    /// Joins rooms while connected: by a command on a WebSocket, beside the stream on the others.
    ///
    /// # Panics
    /// If that is refused.
    #[track_caller]
    pub fn join(&mut self, rooms: &[&str]) -> Vec<String> {
        self.change("join", rooms)
    }

    /// Leaves rooms; see [`Subscriber::join`].
    ///
    /// # Panics
    /// If that is refused.
    #[track_caller]
    pub fn leave(&mut self, rooms: &[&str]) -> Vec<String> {
        self.change("leave", rooms)
    }

    #[track_caller]
    fn change(&mut self, how: &str, rooms: &[&str]) -> Vec<String> {
        let rooms = serde_json::json!(rooms);
        let answer = if self.lane == Lane::Ws {
            self.command(&format!("{{\"op\":\"{how}\",\"rooms\":{rooms}}}"))
        } else {
            let response = self.change_rooms("PATCH", &format!("{{\"{how}\":{rooms}}}"));
            assert_eq!(response.status, 200, "{}", response.text());
            response.json()
        };
        let names = answer["rooms"].as_array().unwrap_or_else(|| panic!("{}: {answer}", self.lane));
        names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Changes the session's rooms from beside.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn change_rooms(&self, method: &str, body: &str) -> Response {
        let target = format!("{}/sessions/{}/rooms", self.opening.base(), self.session());
        self.reach.request(method, &target, "Content-Type: application/json\r\n", body)
    }

    /// Sends a command on a WebSocket and gives its answer. Messages before the answer stay to be read.
    ///
    /// # Panics
    /// On the other lanes, and if there is no answer.
    #[track_caller]
    pub fn command(&mut self, json: &str) -> serde_json::Value {
        self.replies += 1;
        let mark = self.replies;
        let body = json.strip_suffix('}').unwrap_or_else(|| panic!("no object: {json}"));
        self.say(&format!("{body},\"ref\":{mark}}}"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read = self.line.read(deadline).unwrap_or_else(|error| panic!("{json}: {error}"));
            for message in read.unwrap_or_else(|| panic!("{json}: it has ended")) {
                match message {
                    Message::Reply(reply) => {
                        let answer: serde_json::Value =
                            serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{reply}: {error}"));
                        assert_eq!(answer["reply"], mark, "answers come in order");
                        return answer;
                    }
                    message => self.came.push_back(message),
                }
            }
        }
    }

    /// Sends a text message on a WebSocket.
    ///
    /// # Panics
    /// On the other lanes, and if the socket fails.
    #[track_caller]
    pub fn say(&mut self, text: &str) {
        let Line::Ws(line) = &mut self.line else { panic!("{} has no way back", self.lane) };
        line.peer.say(text).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Reads until the end: the close notice and, on a WebSocket, the code. What came before it must be beats.
    ///
    /// # Panics
    /// If it does not end as the protocol says.
    #[track_caller]
    pub fn ending(&mut self) -> (Close, Option<u16>) {
        let close = match self.next_news() {
            Message::Close(close) => close,
            other => panic!("{}: the end was expected, and {other:?} came", self.lane),
        };
        let deadline = Instant::now() + PATIENCE;
        match self.line.read(deadline) {
            Ok(None) => {}
            other => panic!("{}: after the close notice came {other:?}", self.lane),
        }
        let end = self.line.end().unwrap_or_else(|error| panic!("{}: {error}", self.lane));
        match (self.lane, end) {
            (Lane::Poll, End::Answered) | (Lane::Sse, End::Stream) => (close, None),
            (Lane::Ws, End::Code(code)) => (close, Some(code)),
            (lane, end) => panic!("{lane} ended by {end:?}"),
        }
    }

    /// Reads until the server closes a WebSocket for a fault of the protocol itself, without a notice before, and gives
    /// the code.
    ///
    /// # Panics
    /// On the other lanes, and if it does not close.
    #[track_caller]
    pub fn end_code(&mut self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.line.read(deadline) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => panic!("{}: {error}", self.lane),
            }
        }
        match self.line.end() {
            Ok(End::Code(code)) => code,
            other => panic!("{} ended by {other:?}", self.lane),
        }
    }

    /// Cuts the line as a network does: without a word.
    ///
    /// The poll that is parked by then may still be on its way. Were it to arrive after what goes on with the session,
    /// it would take the session from it; so this waits until the server has done with it.
    #[must_use]
    pub fn cut(mut self) -> Kept {
        if self.lane == Lane::Poll {
            self.is_ended_by_half_close();
        }
        let Self { opening, cursor, sync, .. } = self;
        Kept { opening: opening.without("rooms"), cursor, session: sync.session }
    }

    /// Sends no more on its side, and gives whether the server then ends the connection.
    ///
    /// # Panics
    /// If the socket fails.
    #[track_caller]
    pub fn is_ended_by_half_close(&mut self) -> bool {
        let connection = self.line.connection();
        connection.half_close().unwrap_or_else(|error| panic!("{error}"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            match connection.read_more(deadline) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }
}

impl Kept {
    /// Goes on with session and cursor, on any lane.
    ///
    /// # Panics
    /// As [`Subscriber::open`].
    #[track_caller]
    #[must_use]
    pub fn go_on(&self, server: &TestServer, lane: Lane) -> Subscriber {
        let opening = self.opening.clone().after(&self.cursor).session(&self.session);
        Subscriber::open(server, lane, &opening)
    }

    /// Goes on with the cursor alone, as another client would.
    ///
    /// # Panics
    /// As [`Subscriber::open`].
    #[track_caller]
    #[must_use]
    pub fn go_on_afresh(&self, server: &TestServer, lane: Lane) -> Subscriber {
        let opening = self.opening.clone().without("session").after(&self.cursor);
        Subscriber::open(server, lane, &opening)
    }
}
