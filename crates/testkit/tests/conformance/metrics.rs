//! What the server counts, as a scrape finds it.

use tricast_testkit::{Lane, Opening, Response, Subscriber, TestServer, eventually};

on_each_lane!(a_subscriber_is_counted_by_its_transport);

const OPEN_METRICS: &str =
    "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3\r\n";

fn scrape(server: &TestServer) -> String {
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().to_owned()
}

/// The value of one sample, by its name and labels.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is missing in:\n{text}")).parse().unwrap()
}

fn a_subscriber_is_counted_by_its_transport(lane: Lane) {
    let server = TestServer::with(&[("namespace.orders.history.events", "2")]);
    let opening = Opening::new().namespace("orders");
    let subscribers = |lane| format!("tricast_subscribers{{namespace=\"orders\",transport=\"{lane}\"}}");
    let before = scrape(&server);
    assert_eq!((value(&before, &subscribers(lane)), value(&before, "tricast_sessions")), (0.0, 0.0));
    let mut subscriber = Subscriber::open(&server, lane, &opening);
    for n in 0..3 {
        let answer = server.request("POST", "/v1/feeds/orders/events", "", &format!("{{\"data\":{n}}}"));
        assert_eq!(answer.status, 201);
        assert_eq!(subscriber.event().data, n.to_string());
    }
    // A worker counts at the end of its pass, when the client may already have what it counts.
    let deliveries = format!("tricast_deliveries_total{{namespace=\"orders\",transport=\"{lane}\"}}");
    eventually("deliveries are counted", || value(&scrape(&server), &deliveries) == 3.0);
    let after = scrape(&server);
    assert_eq!(value(&after, "tricast_events_published_total{namespace=\"orders\"}"), 3.0);
    assert_eq!(value(&after, "tricast_events_published_total{namespace=\"default\"}"), 0.0);
    assert_eq!(value(&after, "tricast_history_events{namespace=\"orders\"}"), 2.0, "what is retained");
    assert!(value(&after, "tricast_history_size_bytes{namespace=\"orders\"}") > 0.0);
    assert_eq!(value(&after, "tricast_sessions"), 1.0);
    assert_eq!(value(&after, "tricast_balance_imbalance{namespace=\"orders\"}"), 0.0);
    assert_eq!(value(&after, &deliveries.replace("orders", "default")), 0.0);
    assert!(value(&after, "tricast_connections") >= 1.0);
    assert!(value(&after, "tricast_uptime_seconds") >= value(&before, "tricast_uptime_seconds"));
    for other in Lane::ALL.iter().filter(|other| **other != lane) {
        assert_eq!(value(&after, &subscribers(*other)), 0.0, "{other}");
    }
    if lane != Lane::Poll {
        assert_eq!(value(&after, &subscribers(lane)), 1.0);
    }
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let server = TestServer::start();
    let ask = |headers: &str| server.request("GET", "/metrics", headers, "");
    let kind = |answer: &Response| answer.header("content-type").unwrap_or_default().to_owned();
    let open = ask(OPEN_METRICS);
    assert_eq!(kind(&open), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text().ends_with("\n# EOF\n"));
    assert!(open.text().contains("# TYPE tricast_events_published counter\n"));
    for headers in ["", "Accept: */*\r\n", "Accept: text/plain\r\n"] {
        let older = ask(headers);
        assert_eq!(kind(&older), "text/plain; version=0.0.4; charset=utf-8", "{headers}");
        assert!(!older.text().contains("# EOF"));
        assert!(older.text().contains("# TYPE tricast_events_published_total counter\n"));
    }
    assert_eq!(open.header("cache-control"), Some("no-store"));
    assert_eq!(server.get("/metrics?x=1").status, 400);
    let wrong = server.request("POST", "/metrics", "", "");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD")));
}

/// It shows names of namespaces: another site's page must not reach it by a name of its own.
#[test]
fn it_is_asked_by_this_machines_name() {
    let server = TestServer::start();
    let mut connection = server.connect().unwrap();
    let answer = connection.exchange("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n").unwrap();
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (403, Some("forbidden")));
}

/// What a client names is no label, and what may be made on first use is bounded.
#[test]
fn labels_are_bounded() {
    let server = TestServer::with(&[("namespaces.dynamic", "true"), ("namespaces.max", "4")]);
    for n in 0..20 {
        let path = format!("/v1/feeds/n{n}/events");
        server.request(
            "POST",
            &path,
            "",
            &format!("{{\"data\":1,\"type\":\"type-{n}\",\"rooms\":[\"room-{n}\"]}}"),
        );
    }
    let _subscriber = Subscriber::open(&server, Lane::Sse, &Opening::new().with("label", "label-1"));
    let text = scrape(&server);
    let families = text.lines().filter(|line| line.starts_with("tricast_history_events{")).count();
    assert_eq!(families, 4);
    assert!(!text.contains("type-") && !text.contains("room-") && !text.contains("label-"), "{text}");
}
