//! `tricast publish`: one event from the command line, or one a line from stdin.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tricast_client::{Client, Cursor, Error, Publish};

use crate::args::PublishFlags;

/// The longest line that is read, in bytes. The server's own limit is far lower.
const LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How many lines go out in one request at most.
const BATCH_LINES_MAX: usize = 100;

/// How many bytes of payload go out in one request at most, save a single longer line.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// How long a line waits for others to travel with.
const BATCH_WAIT: Duration = Duration::from_millis(5);

/// Publishes what the flags say and prints the ids.
pub(crate) async fn publish(flags: PublishFlags) -> anyhow::Result<()> {
    let client = Client::builder(flags.url.clone()).namespace(flags.namespace.clone()).build()?;
    match flags.data.as_deref() {
        Some(data) if data != "-" => {
            let event = event(&flags, data).context("a text needs its quotes: '\"hello\"'")?;
            print_ids(&[client.publish(&event).await?])
        }
        _ => publish_lines(&client, &flags, BufReader::new(tokio::io::stdin())).await,
    }
}

fn event(flags: &PublishFlags, data: &str) -> Result<Publish, Error> {
    let mut event = Publish::json(data)?;
    if let Some(kind) = &flags.kind {
        event = event.kind(kind);
    }
    if let Some(key) = &flags.key {
        event = event.key(key);
    }
    Ok(flags.rooms.iter().fold(event, Publish::room))
}

async fn publish_lines(
    client: &Client,
    flags: &PublishFlags,
    source: impl AsyncBufRead + Unpin,
) -> anyhow::Result<()> {
    let mut lines = Lines { source, line: Vec::new(), number: 0 };
    while let Some(batch) = lines.batch(flags).await? {
        print_ids(
            &client.publish_all(&batch).await.with_context(|| format!("up to line {}", lines.number))?,
        )?;
    }
    Ok(())
}

/// Payloads, one a line.
struct Lines<R> {
    source: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Waits for a line, and takes what follows at once along. `None` at the end.
    async fn batch(&mut self, flags: &PublishFlags) -> anyhow::Result<Option<Vec<Publish>>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_LINES_MAX && bytes < BATCH_BYTES_MAX {
            // A read that is cut off by the wait keeps what it has in the line, and goes on there the next time.
            let read = if batch.is_empty() {
                self.read_line().await?
            } else {
                match tokio::time::timeout(BATCH_WAIT, self.read_line()).await {
                    Ok(read) => read?,
                    Err(_) => break,
                }
            };
            if !read {
                break;
            }
            let line = std::mem::take(&mut self.line);
            let text =
                std::str::from_utf8(&line).map(str::trim).with_context(|| format!("line {}", self.number))?;
            if !text.is_empty() {
                bytes += text.len();
                batch.push(event(flags, text).with_context(|| format!("line {}", self.number))?);
            }
        }
        Ok(if batch.is_empty() { None } else { Some(batch) })
    }

    /// Reads up to the end of a line. False at the end of the source.
    async fn read_line(&mut self) -> anyhow::Result<bool> {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len() as u64);
        (&mut self.source).take(room).read_until(b'\n', &mut self.line).await?;
        if self.line.is_empty() {
            return Ok(false);
        }
        self.number += 1;
        if self.line.len() as u64 >= LINE_BYTES_MAX {
            anyhow::bail!("line {}: longer than {LINE_BYTES_MAX} bytes", self.number);
        }
        Ok(true)
    }
}

fn print_ids(ids: &[Cursor]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for id in ids {
        writeln!(stdout, "{}", tricast_client::cursor_text(*id))?;
    }
    Ok(())
}
