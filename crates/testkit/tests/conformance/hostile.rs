//! Payloads that would forge a frame, split a line or break a parser: each comes out as the bytes that went in.

use tricast_testkit::{Lane, Opening, Subscriber, TestServer};

on_each_lane!(
    payloads_come_byte_for_byte,
    large_payloads_of_every_length_form,
    deep_payloads,
    types_and_keys
);

/// Values as their publishers write them. Escapes are JSON's own: what is behind them is the nasty part.
fn payloads() -> Vec<String> {
    let texts = [
        r"\r\n\r\nevent: close\ndata: {}",
        r"\n\nid: aaaaaaaa-1\ndata: forged\n\n",
        r"data: x\rdata: y",
        r"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        r"\u0000\u0001\u001f",
        r#"\"}],\"cursor\":\"zzzzzzzz-9"#,
        r"\\\\\\",
        r"\/\b\f\t",
        "\u{2028}\u{2029}\u{85}\u{feff}",
        "😀👨‍👩‍👧‍👦 ﷽ \u{202e}rtl",
        r"\ud83d\ude00",
        "\u{10ffff}\u{fffe}",
        "<script>alert(1)</script> <!-- -->",
        "é\u{301}", // not normalised
        r"\u00e9\u0065\u0301",
    ];
    let values = [
        "1e400",
        "-1E-400",
        "123456789012345678901234567890123456789012345678901234567890",
        "0.1000000000000000000000000000000000000001",
        "-0",
        "-0.0",
        "1.10",
        "9007199254740993",
        "null",
        "true",
        "\"\"",
        "[]",
        "{}",
        r#"{"":{"":[]}}"#,
        r#"{"a":1,"a":2,"b":3,"a":4}"#,
        r#"{"z":1,"a":2}"#,
        r#"{"notice":"close","reason":"kicked"}"#,
        r#"{"reply":7,"ok":true}"#,
        r#"{"id":"aaaaaaaa-1","events":[]}"#,
        r#"{"__proto__":{"x":1},"constructor":1}"#,
    ];
    let texts = texts.iter().map(|text| format!("\"{text}\""));
    let fields = texts.clone().map(|text| format!("{{{text}:{text}}}"));
    texts.clone().chain(fields).chain(values.iter().map(|value| (*value).to_owned())).collect()
}

fn payloads_come_byte_for_byte(lane: Lane) {
    let server = TestServer::start();
    let payloads = payloads();
    let mut live = Subscriber::open(&server, lane, &Opening::new());
    let ids = server.publish_all(&payloads);
    for subscriber in [&mut live, &mut Subscriber::open(&server, lane, &Opening::new().after("earliest"))] {
        for (payload, id) in payloads.iter().zip(&ids) {
            let event = subscriber.event();
            assert_eq!((&event.data, &event.id), (payload, id));
        }
    }
    // And over a WebSocket as over HTTP.
    let mut publisher = Subscriber::open(&server, Lane::Ws, &Opening::new());
    for payload in &payloads {
        let answer = publisher.command(&format!("{{\"op\":\"publish\",\"data\":{payload}}}"));
        assert_eq!(answer["ok"], true, "{payload}: {answer}");
        assert_eq!(&live.event().data, payload);
    }
}

/// Around every border of a length field: of WebSocket frames at 125 and 65,535 bytes, of chunk sizes at powers of 16.
fn large_payloads_of_every_length_form(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new());
    let frame = {
        server.publish_all(["\"\""]);
        subscriber.event().json.len()
    };
    for around in [126, 256, 4096, 65_536] {
        for len in around - 3..around + 3 {
            let text = format!("\"{}\"", "x".repeat(len - frame));
            server.publish_all([&text]);
            let event = subscriber.event();
            assert_eq!((event.json.len(), &event.data), (len + digits(event.offset()) - 1, &text));
        }
    }
}

fn digits(offset: u64) -> usize {
    offset.to_string().len()
}

fn deep_payloads(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new());
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let allowed = deep(64);
    server.publish_all([&allowed]);
    assert_eq!(subscriber.data(1), [allowed]);
    for refused in [deep(65), deep(500_000), "{\"a\":".repeat(65) + "1" + &"}".repeat(65)] {
        let answer = server.post("", &format!("{{\"data\":{refused}}}"));
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (400, Some("bad_request")));
    }
    for refused in [r#""\ud800""#, r#""\ude00""#, r#""\ud83d\ud83d""#, r#"{"\udfff":1}"#, r#"["\uD83Dx"]"#] {
        let answer = server.post("", &format!("{{\"data\":{refused}}}"));
        assert_eq!(answer.status, 400, "{refused}");
        assert!(answer.text().contains("data: a surrogate"), "{refused}: {}", answer.text());
        let command = answer_on_a_socket(&server, refused);
        assert_eq!((&command["ok"], &command["reason"]), (&false.into(), &"bad_request".into()), "{refused}");
    }
    server.publish_all([1]);
    assert_eq!(subscriber.data(1), ["1"], "nothing of it was published");
}

fn answer_on_a_socket(server: &TestServer, data: &str) -> serde_json::Value {
    let mut publisher = Subscriber::open(server, Lane::Ws, &Opening::new());
    publisher.command(&format!("{{\"op\":\"publish\",\"data\":{data}}}"))
}

fn types_and_keys(lane: Lane) {
    let server = TestServer::start();
    let mut subscriber = Subscriber::open(&server, lane, &Opening::new());
    let longest = "t".repeat(64);
    // The same names as SSE's and the protocol's own.
    for kind in ["data", "id", "event", "retry", "sync", "close", "0.-_", &longest] {
        server.publish(&format!(r#"{{"data":1,"type":"{kind}"}}"#));
        assert_eq!(subscriber.event().kind, kind);
    }
    for (key, written) in
        [("\u{2028}\"\\", r#"\u2028\"\\"#), ("data: x", "data: x"), (&*"😀".repeat(128), &*"😀".repeat(128))]
    {
        server.publish(&format!("{{\"data\":1,\"key\":\"{written}\"}}"));
        assert_eq!(subscriber.event().key.as_deref(), Some(key));
    }
}
