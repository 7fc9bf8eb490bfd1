//! `TCP_INFO` of the connections to a port, as `ss` tells it: the kernel's own counts of segments.

use std::process::{Command, Stdio};

use crate::result::Tcp;

/// TCP and IPv4 headers of a segment, with the timestamps that Linux negotiates by default.
const HEADER_BYTES: u64 = 52;

/// The sums over all connections from here to a port; nothing where `ss` is not there.
pub(crate) fn counts(port: u16) -> Option<Tcp> {
    let output = Command::new("ss")
        .args(["-tinH", "state", "established", &format!("dport = :{port}")])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| sum(&String::from_utf8_lossy(&output.stdout)))
}

fn sum(text: &str) -> Tcp {
    let mut tcp = Tcp::default();
    for word in text.split_whitespace() {
        let Some((name, value)) = word.split_once(':') else { continue };
        // `retrans:0/3` is what is on its way again, and all that ever was.
        let value = value.rsplit('/').next().and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        match name {
            "segs_in" => tcp.segments_in += value,
            "segs_out" => tcp.segments_out += value,
            "retrans" => tcp.retransmitted += value,
            _ => {}
        }
    }
    tcp.header_bytes = (tcp.segments_in + tcp.segments_out) * HEADER_BYTES;
    tcp
}

/// What was added between two readings. Connections that ended in between are missing from the second.
pub(crate) fn between(before: Tcp, after: Tcp) -> Tcp {
    Tcp {
        segments_in: after.segments_in.saturating_sub(before.segments_in),
        segments_out: after.segments_out.saturating_sub(before.segments_out),
        retransmitted: after.retransmitted.saturating_sub(before.retransmitted),
        header_bytes: after.header_bytes.saturating_sub(before.header_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_ss_prints() {
        let text = "0 0 127.0.0.1:1 127.0.0.1:2\n\t cubic wscale:7,7 rto:204 bytes_acked:300 segs_out:7 segs_in:5 data_segs_out:3 retrans:0/2\n0 0 a b\n\t segs_out:1 segs_in:1\n";
        let tcp = sum(text);
        assert_eq!((tcp.segments_out, tcp.segments_in, tcp.retransmitted), (8, 6, 2));
        assert_eq!(tcp.header_bytes, 14 * HEADER_BYTES);
        assert_eq!(between(tcp, tcp), Tcp::default());
    }
}
