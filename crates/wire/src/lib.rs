//! Bytes and domain: the event's JSON, SSE and WebSocket framing, the poll answer, problems
