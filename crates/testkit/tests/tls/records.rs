//! Records stand where they will: in the middle of frames, of heads, round several requests.

use tricast_testkit::{Frame, WsPeer, client_frame, patience};

use crate::{get, post, server};

on_each_way!(
    frames_over_records_and_records_over_segments,
    heads_over_records_and_many_in_one,
    a_head_that_drips_is_ended,
);

fn frames_over_records_and_records_over_segments(way: &str) {
    let server = server(way, &[]);
    let mut peer = WsPeer::open(&server, "/v1/feeds/default/ws").unwrap();
    assert!(matches!(peer.next(patience()).unwrap(), Some(Frame::Text(_))));
    // By the byte, in records that end within heads of frames, and with several frames in one record.
    for (record, piece) in [(1, 5), (3, 1), (7, 100), (1 << 14, 1 << 14), (1 << 14, 11)] {
        let ping = client_frame(0x89, b"ping", [1, 2, 3, 4]);
        let say = client_frame(0x81, br#"{"op":"join","rooms":["a"],"ref":7}"#, [9, 8, 7, 6]);
        peer.connection.send_in_records(&[say, ping].concat(), record, piece).unwrap();
        let mut answers = [peer.next(patience()).unwrap().unwrap(), peer.next(patience()).unwrap().unwrap()];
        // A pong may overtake an answer.
        answers.sort_by_key(|frame| matches!(frame, Frame::Pong(_)));
        assert!(matches!(&answers[0], Frame::Text(text) if text.contains("\"reply\":7")), "{answers:?}");
        assert_eq!(answers[1], Frame::Pong(b"ping".to_vec()), "records of {record} in pieces of {piece}");
    }
}

fn heads_over_records_and_many_in_one(way: &str) {
    let server = server(way, &[]);
    let ids = server.publish_all(0..3);
    let poll = |id: &str| get(&format!("/v1/feeds/default/poll?wait=0&max=1&after={id}"));
    for (record, piece) in [(1, 3), (50, 7), (1 << 14, 1 << 14)] {
        let mut connection = server.connect().unwrap();
        let first = [poll(&ids[0]), poll(&ids[1])].concat();
        let behind = [post("3"), poll(&ids[1]), get("/healthz"), poll(&ids[0])].concat();
        connection.send_in_records(&[first, behind].concat().into_bytes(), record, piece).unwrap();
        let mut answer = || connection.response(patience()).unwrap();
        assert_eq!(answer().json()["events"][0]["data"], 1);
        assert_eq!(answer().json()["events"][0]["data"], 2);
        assert_eq!(answer().status, 201);
        assert_eq!(answer().json()["events"][0]["data"], 2);
        assert_eq!(answer().text(), "ok\n");
        assert_eq!(answer().json()["events"][0]["data"], 1);
    }
}

/// Far sooner than a connection that merely rests, which is kept for longer than patience lasts.
fn a_head_that_drips_is_ended(way: &str) {
    let server = server(way, &[("server.request_timeout_ms", "300")]);
    for polls in [1, 2] {
        let mut connection = server.connect().unwrap();
        for _ in 0..polls {
            assert_eq!(connection.exchange(get("/v1/feeds/default/poll?wait=0")).unwrap().status, 200);
        }
        let mut rest = b"GET /v1/feeds/default/poll?wait=0 HTTP/1.1\r\nx-long: ".to_vec();
        rest.resize(5000, b'x');
        for byte in rest.chunks(1) {
            if connection.send(byte).is_err() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            if connection.read_more(std::time::Instant::now()).is_ok() {
                break;
            }
        }
        // Told so, or not: it is over, and not by this side's patience.
        let last = connection.read_more(patience());
        assert!(
            !last.is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut),
            "after {polls} polls"
        );
    }
}
