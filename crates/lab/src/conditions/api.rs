//! The fault proxy's HTTP API: one short request a connection, JSON in and out.
//!
//! | request | what it does |
//! | --- | --- |
//! | `GET /conditions` | what the proxy does at the moment |
//! | `PUT /conditions` | does this instead; what the body leaves out is nothing |
//! | `POST /cut` with `{"for_ms": 5000}` | resets all connections and refuses others for so long |
//! | `POST /reset` | resets all connections |
//! | `GET /connections` | the connections that are there |

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::proxy::Shared;
use super::{Conditions, MS_MAX, reading};

const REQUEST_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 64;
const REQUEST_WAIT: Duration = Duration::from_secs(5);
const CONNECTIONS_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    for_ms: u64,
}

struct Answer {
    status: &'static str,
    body: String,
}

impl Answer {
    fn json(value: &impl Serialize) -> Self {
        let body = serde_json::to_string(value).unwrap_or_else(|error| format!("\"{error}\""));
        Self { status: "200 OK", body }
    }

    fn error(status: &'static str, detail: &str) -> Self {
        Self { status, ..Self::json(&serde_json::json!({ "error": detail })) }
    }
}

/// A pause after the system refused to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers until the task ends.
pub(super) async fn answer(listener: TcpListener, shared: Arc<Shared>) {
    let mut asked = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = asked.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if asked.len() < CONNECTIONS_MAX => {
                    let shared = Arc::clone(&shared);
                    asked.spawn(async move { drop(timeout(REQUEST_WAIT, converse(stream, &shared)).await) });
                }
                Ok(_) => {}
                // Out of descriptors, the system refuses again at once.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let answer = match read(&mut stream).await? {
        Some((method, path, body)) => act(shared, &method, &path, &body),
        None => Answer::error("400 Bad Request", "no request of at most 64 KiB could be read"),
    };
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(answer.body.as_bytes()).await?;
    stream.shutdown().await
}

/// Method, path and body of a request; `None` where it is none.
async fn read(stream: &mut TcpStream) -> io::Result<Option<(String, String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes) {
            Ok(httparse::Status::Complete(head)) => {
                let is_length = |h: &&httparse::Header<'_>| h.name.eq_ignore_ascii_case("content-length");
                let length = request.headers.iter().find(is_length);
                let length = length.and_then(|h| std::str::from_utf8(h.value).ok()?.trim().parse().ok());
                let length = length.unwrap_or(0_usize);
                if length > REQUEST_BYTES_MAX {
                    return Ok(None);
                }
                let whole = head + length;
                if bytes.len() >= whole {
                    let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
                    let (method, path) = (word(request.method), word(request.path));
                    return Ok(Some((method, path, bytes[head..whole].to_vec())));
                }
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => return Ok(None),
        }
        if bytes.len() > 2 * REQUEST_BYTES_MAX || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn act(shared: &Shared, method: &str, path: &str, body: &[u8]) -> Answer {
    match (method, path) {
        ("GET", "/conditions") => Answer::json(&shared.conditions()),
        ("PUT", "/conditions") => set(shared, body),
        ("POST", "/cut") => cut(shared, body),
        ("POST", "/reset") => {
            shared.reset();
            Answer::json(&serde_json::json!({}))
        }
        ("GET", "/connections") => Answer::json(&shared.connections()),
        (_, "/conditions" | "/cut" | "/reset" | "/connections") => {
            Answer::error("405 Method Not Allowed", &format!("{path} is not for {method}"))
        }
        _ => Answer::error("404 Not Found", &format!("there is no {path}")),
    }
}

/// Conditions from JSON.
fn conditions(body: &[u8]) -> Result<Conditions, String> {
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    reading::read(&value)
}

fn set(shared: &Shared, body: &[u8]) -> Answer {
    let read = conditions(body);
    match read.and_then(|conditions| shared.set(conditions)) {
        Ok(()) => Answer::json(&shared.conditions()),
        Err(fault) => Answer::error("400 Bad Request", &fault),
    }
}

fn cut(shared: &Shared, body: &[u8]) -> Answer {
    match serde_json::from_slice::<Cut>(body) {
        Ok(Cut { for_ms }) if for_ms <= MS_MAX => {
            shared.cut(Duration::from_millis(for_ms));
            Answer::json(&serde_json::json!({}))
        }
        Ok(Cut { for_ms }) => {
            Answer::error("400 Bad Request", &format!("`for_ms` is {for_ms}, but must be 0 to {MS_MAX}"))
        }
        Err(error) => Answer::error("400 Bad Request", &format!("`for_ms`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_objects() {
        assert_eq!(conditions(b"{}"), Ok(Conditions::default()));
        assert_eq!(conditions(br#"{"down":{"latency_ms":5}}"#).map(|c| c.down.latency_ms), Ok(5));
        for (wrong, named) in [("[]", "the conditions"), (r#"{"down":[5]}"#, "down"), (r#"{"up":3}"#, "up")] {
            let fault = conditions(wrong.as_bytes()).unwrap_err();
            assert!(fault.starts_with(named), "{fault}");
        }
    }
}
