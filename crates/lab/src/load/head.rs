//! HTTP/1.1 response heads, wherever they are split.

use httparse::{EMPTY_HEADER, Response, Status};

use super::body::Body;
use crate::error::{LabError, Result};

const HEADERS_MAX: usize = 48;
const HEAD_BYTES_MAX: usize = 16 << 10;

/// A complete response head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) bytes: usize,
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) closes: bool,
}

/// Reads a head from the start of a buffer; `None` asks for more bytes.
pub(super) fn parse(buffer: &[u8]) -> Result<Option<Head>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    match response.parse(buffer).map_err(|e| LabError::Protocol(format!("response head: {e}")))? {
        Status::Partial if buffer.len() > HEAD_BYTES_MAX => {
            Err(LabError::Protocol("response head is too large".to_owned()))
        }
        Status::Partial => Ok(None),
        Status::Complete(bytes) => head(bytes, &response).map(Some),
    }
}

fn head(bytes: usize, response: &Response<'_, '_>) -> Result<Head> {
    let value = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    let status = response.code.unwrap_or_default();
    let chunked = value("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    let body = match value("content-length") {
        _ if chunked => Body::chunked(),
        _ if status == 204 => Body::sized(0),
        Some(length) => Body::sized(parse_length(length)?),
        None => Body::until_end(),
    };
    let closes = value("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    Ok(Head { bytes, status, body, closes })
}

fn parse_length(text: &str) -> Result<u64> {
    text.parse().map_err(|_| LabError::Protocol(format!("content-length `{text}`")))
}
