//! `tricast subscribe`: the events of a feed as lines.

use std::io::Write;

use futures::StreamExt;
use serde::Serialize;
use serde_json::value::RawValue;
use tricast_client::{Client, EventMsg, State, SyncState, Transport, Update};

use crate::args::{SubscribeFlags, TransportFlag};

/// Prints until the count is reached or the subscription ends.
pub(crate) async fn subscribe(flags: SubscribeFlags) -> anyhow::Result<()> {
    let mut left = flags.count;
    let mut printer = Printer { json: flags.json, quiet: flags.quiet };
    let mut subscription = client(flags)?.subscribe();
    while let Some(update) = subscription.next().await {
        if printer.print(&update?)? && count_down(&mut left) {
            break;
        }
    }
    Ok(())
}

fn client(flags: SubscribeFlags) -> anyhow::Result<Client> {
    let mut builder = Client::builder(flags.url)
        .namespace(flags.namespace)
        .transport(transport(flags.transport))
        .rooms(flags.rooms)
        .after(flags.after);
    if let Some(label) = flags.label {
        builder = builder.label(label);
    }
    if let Some(failures) = flags.give_up_after {
        builder = builder.give_up_after(failures);
    }
    Ok(builder.build()?)
}

/// One event less to wait for; tells whether that was the last.
fn count_down(left: &mut Option<u64>) -> bool {
    *left = left.map(|left| left.saturating_sub(1));
    *left == Some(0)
}

fn transport(flag: TransportFlag) -> Transport {
    match flag {
        TransportFlag::Auto => Transport::Auto,
        TransportFlag::Poll => Transport::Poll,
        TransportFlag::Sse => Transport::Sse,
        TransportFlag::Ws => Transport::Ws,
    }
}

struct Printer {
    json: bool,
    quiet: bool,
}

impl Printer {
    /// Prints an update where it belongs. Tells whether it was an event.
    fn print(&mut self, update: &Update) -> std::io::Result<bool> {
        let notice = match update {
            Update::Event(event) => {
                let line = if self.json { json_line(event)? } else { human_line(event) };
                return writeln!(std::io::stdout().lock(), "{line}").map(|()| true);
            }
            Update::Beat(_) => return Ok(false),
            other => notice_line(other),
        };
        if !self.quiet {
            writeln!(std::io::stderr().lock(), "# {}", printable(&notice))?;
        }
        Ok(false)
    }
}

/// The event as the server wrote it.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'a str,
    time: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    rooms: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    data: &'a RawValue,
}

fn json_line(event: &EventMsg) -> std::io::Result<String> {
    let line = Line {
        id: tricast_client::cursor_text(event.id),
        kind: &event.kind,
        time: &event.time,
        rooms: &event.rooms,
        key: event.key.as_deref(),
        from: event.from.as_deref(),
        data: &event.data,
    };
    serde_json::to_string(&line).map_err(std::io::Error::from)
}

/// `12:00:03.412  k3f4a2bq-128  order.shipped  room-1,room-2  {"order":42}`
fn human_line(event: &EventMsg) -> String {
    let clock = event.time.get(11..23).unwrap_or(&event.time);
    let id = tricast_client::cursor_text(event.id);
    let rooms = if event.rooms.is_empty() { "*".to_owned() } else { event.rooms.join(",") };
    printable(&format!("{clock}  {id}  {}  {rooms}  {}", event.kind, event.data))
}

fn notice_line(update: &Update) -> String {
    match update {
        Update::State(State::Connecting { way }) => format!("connecting by {way}"),
        Update::State(State::Open { way }) => format!("open by {way}"),
        Update::State(State::Waiting { way, delay, failures, cause }) => {
            format!("{cause}; failure {failures}, again by {way} in {:.1} s", delay.as_secs_f64())
        }
        Update::Sync(sync) => {
            let cursor = tricast_client::cursor_text(sync.cursor);
            let missed = sync.missed.map_or_else(|| "unknown".to_owned(), |missed| missed.to_string());
            match sync.state {
                SyncState::New => format!("new, after {cursor}"),
                SyncState::Resumed => format!("resumed, after {cursor}, nothing missed"),
                SyncState::Reset => format!("reset, after {cursor}, missed: {missed}"),
            }
        }
        Update::Gap(gap) => format!("gap: {} to {} will not come ({})", gap.from, gap.to, gap.reason),
        Update::Event(_) | Update::Beat(_) => String::new(),
    }
}

/// The text without characters that a terminal would obey: what others published must not paint on it.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> EventMsg {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_json_line_is_what_the_server_wrote() {
        for text in [
            r#"{"id":"k3f4a2bq-7","type":"a.b","time":"2026-11-22T13:20:11.042Z","data":1.50}"#,
            r#"{"id":"k3f4a2bq-7","type":"a","time":"t","rooms":["r"],"key":"k","from":"s_1","data":{"b":1,"b":2}}"#,
        ] {
            assert_eq!(json_line(&event(text)).unwrap(), text);
        }
    }

    #[test]
    fn a_human_line_obeys_nobody() {
        let text = "{\"id\":\"k3f4a2bq-7\",\"type\":\"a\",\"time\":\"2026-11-22T13:20:11.042Z\",\"data\":\"\u{9b}31m\"}";
        assert_eq!(human_line(&event(text)), "13:20:11.042  k3f4a2bq-7  a  *  \"\\u{9b}31m\"");
    }
}
