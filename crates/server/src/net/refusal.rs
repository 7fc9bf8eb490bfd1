//! Answers of one piece that are written without the application, because no request reached it.

use actix_web::http::StatusCode;
use bytes::Bytes;
use tricast_wire::problem::{MEDIA_TYPE, Problem};

/// A refusal after which the connection closes.
pub(crate) fn refusal(problem: &Problem) -> Vec<u8> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let body = problem.json();
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Tells a client that it sent no whole request in time (RFC 9110, section 15.5.9).
pub(crate) fn late() -> Bytes {
    const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    Bytes::from_static(LATE)
}
