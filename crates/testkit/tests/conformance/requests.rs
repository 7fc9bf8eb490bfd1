//! Requests that are wrong: each gets the reason that the protocol's table gives, with the field, and costs nobody
//! else anything.

use tricast_testkit::{Lane, Opening, Response, Subscriber, TestServer, WsPeer, patience};

on_each_lane!(
    parameters_are_known_and_checked,
    ten_thousand_rooms,
    an_unknown_namespace,
    another_sites_page_is_kept_out,
    a_method_that_it_does_not_have,
);

/// The answer to a subscription that is refused.
fn open(server: &TestServer, lane: Lane, path: &str, headers: &str) -> Response {
    let mut connection = server.connect().unwrap();
    let request = match lane {
        Lane::Ws => WsPeer::request(path, headers),
        Lane::Poll | Lane::Sse => format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"),
    };
    connection.send(request).unwrap();
    connection.response(patience()).unwrap()
}

#[track_caller]
fn check(answer: &Response, status: u16, reason: &str, detail: &str) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/problem+json")),
        "{answer:?}"
    );
    let problem = answer.json();
    assert_eq!((&problem["reason"], &problem["status"]), (&reason.into(), &status.into()));
    assert!(problem["detail"].as_str().unwrap().contains(detail), "{detail}: {problem}");
    assert!(problem["title"].is_string() && problem["type"].is_string(), "{problem}");
}

fn parameters_are_known_and_checked(lane: Lane) {
    let server = TestServer::start();
    for (query, detail) in [
        ("colour=red", "colour: "),
        ("rooms=a&rooms=b", "rooms: given twice"),
        ("rooms=a,,b", "rooms[1]: "),
        ("rooms=a%0d%0ab", "rooms[0]: "),
        ("rooms=%ff", "rooms[0]: "),
        ("after=", "after: "),
        ("after=1", "after: "),
        ("after=now", "after: "),
        ("after=aaaaaaaa-", "after: "),
        ("after=aaaaaaaa-01", "after: "),
        ("after=aaaaaaaa--1", "after: "),
        ("after=aaaaaaaa-%2b1", "after: "),
        ("after=AAAAAAAA-1", "after: "),
        ("after=aaaaaaa1-1", "after: "),
        ("after=aaaaaaaa-18446744073709551616", "after: "),
        ("session=me", "session: "),
        ("session=", "session: "),
        ("label=", "label: "),
        ("label=a%20b", "label: "),
        ("max=x&wait=x&token=x", "x"),
    ] {
        check(
            &open(&server, lane, &format!("/v1/feeds/default/{lane}?{query}"), ""),
            400,
            "bad_request",
            detail,
        );
    }
    let long = format!("/v1/feeds/default/{lane}?label={}", "l".repeat(65));
    check(&open(&server, lane, &long, ""), 400, "bad_request", "label: ");
    if lane != Lane::Poll {
        let wait = format!("/v1/feeds/default/{lane}?wait=1");
        check(&open(&server, lane, &wait, ""), 400, "bad_request", "wait: ");
    }
    assert_eq!(server.subscribers(), 0);
}

fn ten_thousand_rooms(lane: Lane) {
    let server = TestServer::start();
    let mut witness = Subscriber::open(&server, lane, &Opening::new());
    let names: Vec<String> = (0..10_000).map(|n| format!("r{n}")).collect();
    let path = format!("/v1/feeds/default/{lane}?rooms={}", names.join(","));
    check(&open(&server, lane, &path, ""), 400, "bad_request", "rooms: 10000 names");
    // As many as are allowed are fine.
    let mut full = Subscriber::open(&server, lane, &Opening::new().rooms(&names[..64].join(",")));
    check(
        &open(&server, lane, &format!("/v1/feeds/default/{lane}?rooms={}", names[..65].join(",")), ""),
        400,
        "bad_request",
        "rooms: 65 names",
    );
    server.publish_to("r63", 1);
    server.publish_all([2]);
    assert_eq!(full.data(2), ["1", "2"]);
    assert_eq!(witness.data(1), ["2"]);
}

fn an_unknown_namespace(lane: Lane) {
    let server = TestServer::start();
    check(&open(&server, lane, &format!("/v1/feeds/nowhere/{lane}"), ""), 404, "not_found", "namespace: ");
    for bad in ["Default", "-x", "a%2fb", "a.b", &"n".repeat(65)] {
        check(
            &open(&server, lane, &format!("/v1/feeds/{bad}/{lane}"), ""),
            400,
            "bad_request",
            "namespace: ",
        );
    }
    for (method, path) in [("GET", ""), ("GET", "/events"), ("POST", "/events")] {
        let answer = server.request(method, &format!("/v1/feeds/nowhere{path}"), "", "{\"data\":1}");
        check(&answer, 404, "not_found", "namespace: ");
    }
}

fn another_sites_page_is_kept_out(lane: Lane) {
    let server = TestServer::with(&[("origins.allowed", "https://app.example")]);
    let path = format!("/v1/feeds/default/{lane}?wait=0");
    let path = if lane == Lane::Poll { path } else { path.replace("?wait=0", "") };
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "http://app.example",
        "https://test:1",
        "test",
    ] {
        check(&open(&server, lane, &path, &format!("Origin: {origin}\r\n")), 403, "forbidden", "Origin: ");
    }
    assert_eq!(server.subscribers(), 0);
    for origin in ["https://app.example", "http://test"] {
        let mut connection = server.connect().unwrap();
        let headers = format!("Origin: {origin}\r\n");
        let request = match lane {
            Lane::Ws => WsPeer::request(&path, &headers),
            Lane::Poll | Lane::Sse => format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"),
        };
        connection.send(request).unwrap();
        assert!(matches!(connection.head(patience()).unwrap().status, 101 | 200), "{origin}");
    }
    let publish = server.post("Origin: https://evil.example\r\n", "{\"data\":1}");
    check(&publish, 403, "forbidden", "Origin: ");
    assert_eq!(server.state()["last"], 0);
}

/// A page that reaches this machine under a name of its own (DNS rebinding) is of the server's origin in its browser's
/// eyes: only `Host` tells.
#[test]
fn a_name_that_is_not_this_machines_is_refused() {
    let server = TestServer::start();
    for (host, status) in [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("[::1]:1", 200),
        ("evil.example:8080", 403),
        ("10.1.2.3", 403),
    ] {
        let mut connection = server.connect().unwrap();
        let request = format!("GET /v1/feeds/default HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = connection.exchange(request).unwrap();
        assert_eq!(answer.status, status, "{host}");
        if status == 403 {
            check(&answer, 403, "forbidden", "Host: ");
        }
    }
}

/// A listed origin's page must be able to read what it is answered (WHATWG Fetch, section 3.3).
#[test]
fn a_listed_origin_may_read_answers() {
    let server = TestServer::with(&[("origins.allowed", "https://app.example")]);
    let listed = "Origin: https://app.example\r\n";
    let answer = server.request("GET", "/v1/feeds/default", listed, "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("vary"), Some("origin"));
    let asking = "Access-Control-Request-Method: POST\r\n";
    let preflight = server.request("OPTIONS", "/v1/feeds/default/events", &format!("{listed}{asking}"), "");
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("idempotency-key"));
    let foreign = format!("Origin: https://evil.example\r\n{asking}");
    let refused = server.request("OPTIONS", "/v1/feeds/default/events", &foreign, "");
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (405, None));
    let own = server.request("GET", "/v1/feeds/default", "Origin: http://test\r\n", "");
    assert_eq!((own.status, own.header("access-control-allow-origin")), (200, None));
}

fn a_method_that_it_does_not_have(lane: Lane) {
    let server = TestServer::start();
    let allowed = if lane == Lane::Sse { "GET, HEAD" } else { "GET" };
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let answer = server.request(method, &format!("/v1/feeds/default/{lane}"), "", "");
        check(&answer, 405, "bad_request", "method: ");
        assert_eq!(answer.header("allow"), Some(allowed));
    }
}

#[test]
fn the_other_paths_methods() {
    let server = TestServer::start();
    let session = "/v1/feeds/default/sessions/s_AAAAAAAAAAAAAAAAAAAAAA/rooms";
    for (path, allowed) in [
        ("/v1/feeds/default", "GET"),
        ("/v1/feeds/default/events", "GET, POST"),
        (session, "PATCH, PUT"),
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
    ] {
        let answer = server.request("DELETE", path, "", "");
        check(&answer, 405, "bad_request", "method: DELETE");
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
    }
}

#[test]
fn there_is_nothing_at_an_unknown_path() {
    let server = TestServer::start();
    for path in [
        "/nothing",
        "/v1",
        "/v1/feeds",
        "/v1/feeds/default/",
        "/v1/feeds/default/pol",
        "/v1/feeds/default/sse/x",
    ] {
        check(&server.get(path), 404, "not_found", "path: ");
    }
    // Nothing of the demo is in a server that is not the demo.
    for path in ["/", "/demo", "/demo/state"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

/// A problem's `type` is an address of this server (RFC 9457, section 3.1.1), and its fragment a row there.
#[test]
fn a_problem_leads_to_its_reason() {
    let server = TestServer::start();
    for (path, headers) in [("/nothing", ""), ("/v1/feeds/-", ""), ("/v1/feeds/default", "Origin: null\r\n")]
    {
        let problem = server.request("GET", path, headers, "").json();
        let (page, fragment) = problem["type"].as_str().unwrap().split_once('#').unwrap();
        assert_eq!(fragment, problem["reason"].as_str().unwrap());
        let answer = server.get(page);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(answer.text().contains(&format!("id=\"{fragment}\"")), "{fragment}: {}", answer.text());
    }
}

#[test]
fn sessions_that_are_not_there() {
    let server = TestServer::start();
    let unknown = "/v1/feeds/default/sessions/s_AAAAAAAAAAAAAAAAAAAAAA/rooms";
    check(&server.request("PATCH", unknown, "", "{\"join\":[\"a\"]}"), 404, "not_found", "session");
    let bad = "/v1/feeds/default/sessions/me/rooms";
    check(&server.request("PUT", bad, "", "{\"rooms\":[]}"), 400, "bad_request", "session: ");
}

#[test]
fn rooms_that_are_written_wrong() {
    let server = TestServer::start();
    let subscriber = Subscriber::open(&server, Lane::Sse, &Opening::new().rooms("a"));
    for (method, body, detail) in [
        ("PUT", r#"{"rooms":["b"],"colour":1}"#, "body: unknown field `colour`"),
        ("PUT", r#"{"rooms":["b"],"rooms":["c"]}"#, "body: duplicate field `rooms`"),
        ("PUT", r#"{"rooms":["b",7]}"#, "rooms[1]: "),
        ("PUT", r#"{"rooms":["b","/"]}"#, "rooms[1]: "),
        ("PUT", r#"[["b"]]"#, "body: expected a JSON object"),
        ("PUT", "{}", "body: missing field `rooms`"),
        ("PATCH", r#"{"join":["b"],"colour":1}"#, "body: unknown field `colour`"),
        ("PATCH", r#"{"join":["b"],"join":["c"]}"#, "body: duplicate field `join`"),
        ("PATCH", r#"{"join":[],"leave":["a",{}]}"#, "leave[1]: "),
        ("PATCH", r#"[["b"],[]]"#, "body: expected a JSON object"),
    ] {
        let answer = subscriber.change_rooms(method, body);
        check(&answer, 400, "bad_request", "");
        let told = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.starts_with(detail), "{method} {body}: {told}");
    }
    assert_eq!(subscriber.change_rooms("PATCH", "{}").json()["rooms"], serde_json::json!(["a"]));
}

#[test]
fn a_handshake_that_is_none() {
    let server = TestServer::start();
    let plain = server.get("/v1/feeds/default/ws");
    check(&plain, 400, "bad_request", "Upgrade: ");
    // An older version, or none, is told which one is spoken (RFC 6455, section 4.4).
    for version in ["Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 14\r\n", ""] {
        let old = format!(
            "Connection: Upgrade\r\nUpgrade: WebSocket\r\n{version}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        let mut connection = server.connect().unwrap();
        let request = format!("GET /v1/feeds/default/ws HTTP/1.1\r\nHost: test\r\n{old}\r\n");
        let answer = connection.exchange(request).unwrap();
        check(&answer, 426, "bad_request", "Sec-WebSocket-Version: ");
        assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        assert_eq!(answer.header("upgrade"), Some("websocket"));
        assert!(answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    }
    assert_eq!(server.subscribers(), 0);
}

/// What is no HTTP at all ends its own connection, and the next one is served.
#[test]
fn noise_is_answered_and_forgotten() {
    let server = TestServer::start();
    let noise: [&[u8]; 4] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\r\n\r\n\0\0\0\0",
    ];
    for bytes in noise {
        let mut connection = server.connect().unwrap();
        connection.send(bytes).unwrap();
        let _ = connection.half_close();
        let answer = connection.response(patience());
        assert!(answer.map_or(true, |answer| answer.status == 400), "{bytes:?}");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn one_subscriber_too_many() {
    let server = TestServer::with(&[("limits.subscribers_max", "3")]);
    let mut open_ones: Vec<Subscriber> =
        Lane::ALL.iter().map(|lane| Subscriber::open(&server, *lane, &Opening::new())).collect();
    server.wait_for_subscribers(3);
    for lane in Lane::ALL {
        let answer = open(&server, lane, &format!("/v1/feeds/default/{lane}"), "");
        check(&answer, 503, "too_many_connections", "limits.subscribers_max");
        assert!(answer.header("retry-after").is_some_and(|secs| secs.parse::<u64>().is_ok()), "{answer:?}");
    }
    // Those that are there notice nothing, and a place that is given back is free.
    drop(open_ones.pop());
    server.wait_for_subscribers(2);
    open_ones.push(Subscriber::open(&server, Lane::Ws, &Opening::new()));
    server.wait_for_subscribers(3);
    server.publish_all([1]);
    open_ones.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(1), ["1"]));
}

/// A request head that does not come to its end is given up.
#[test]
fn a_head_that_never_ends() {
    let server = TestServer::with(&[("server.request_timeout_ms", "200")]);
    let mut connection = server.connect().unwrap();
    connection.send("GET /v1/feeds/default/sse HTTP/1.1\r\nHost: te").unwrap();
    let answer = connection.response(patience());
    assert!(answer.as_ref().map_or(true, |answer| answer.status == 408), "{answer:?}");
}

/// Room names with every character of the grammar, and cursors and rooms that need escaping in a query.
#[test]
fn a_query_may_be_escaped() {
    let server = TestServer::start();
    let id = server.publish_all([1]).remove(0).replace('-', "%2D");
    let opening = Opening::new().rooms("Az09._:@-%2Cb").after(&id).with("label", "a%3Ab");
    let mut subscriber = Subscriber::open(&server, Lane::Sse, &opening);
    server.publish_to("Az09._:@-", 2);
    server.publish_to("b", 3);
    assert_eq!(subscriber.data(2), ["2", "3"]);
}

/// An answer to `HEAD` has no body, whatever its status: the next answer on the connection is read in its place.
#[test]
fn head_never_has_a_body() {
    let server = TestServer::start();
    let mut connection = server.connect().unwrap();
    for path in [
        "/v1/feeds/default/poll",
        "/v1/feeds/default/ws",
        "/v1/feeds/nowhere/sse",
        "/nothing",
        "/healthz",
        "/metrics",
        "/docs/protocol",
    ] {
        connection.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
        assert_ne!(connection.head(patience()).unwrap().status, 101, "{path}");
        let next = connection.exchange("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        assert_eq!((next.status, next.text()), (200, "ok\n"), "after {path}");
    }
}

/// A client that asks first is told to go on, or is refused without sending its body.
#[test]
fn a_client_may_ask_before_it_sends() {
    let server = TestServer::start();
    let ask = |len: usize| {
        format!(
            "POST /v1/feeds/default/events HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: {len}\r\n\r\n"
        )
    };
    let mut connection = server.connect().unwrap();
    assert_eq!(connection.exchange(ask(10)).unwrap().status, 100);
    assert_eq!(connection.exchange("{\"data\":1}").unwrap().status, 201);
    let mut connection = server.connect().unwrap();
    let mut answer = connection.exchange(ask(10 << 20)).unwrap();
    if answer.status == 100 {
        answer = connection.response(patience()).unwrap();
    }
    assert_eq!(answer.status, 413);
}
