//! What an operator sees and may do: connections, rooms, and ending a session.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tricast_testkit::{Connection, Lane, Opening, Response, Subscriber, TestServer, WsPeer, eventually};

on_each_lane!(
    who_is_kicked_is_told_and_kept_out,
    a_connection_is_seen,
    a_kick_between_two_connections_is_told_at_the_next
);

const TOKEN: &str = "correct-horse-battery";

/// A server whose console has a token.
struct House {
    server: TestServer,
    _folder: TempDir,
}

impl House {
    fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
        let token = [("admin.token_file", text(&path))];
        let settings: Vec<_> = settings.iter().copied().chain(token).collect();
        Self { server: TestServer::with(&settings), _folder: folder }
    }

    fn start() -> Self {
        Self::with(&[])
    }

    fn ask(&self, method: &str, path: &str) -> Response {
        let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
        self.server.request(method, &format!("/v1/admin{path}"), &bearer, "")
    }

    fn see(&self, path: &str) -> Value {
        let answer = self.ask("GET", path);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn kick(&self, session: &str) -> u16 {
        self.ask("DELETE", &format!("/feeds/default/sessions/{session}")).status
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn reason(answer: &Response) -> (u16, String) {
    (answer.status, answer.json()["reason"].as_str().unwrap_or_default().to_owned())
}

/// What whoever comes with this session is answered.
fn refusal(server: &TestServer, lane: Lane, opening: &Opening) -> String {
    if lane == Lane::Ws {
        return WsPeer::open(server, &opening.target(lane)).map(|_| ()).unwrap_err().to_string();
    }
    let (status, reason) = reason(&server.get(&opening.target(lane)));
    format!("{status} {reason}")
}

fn who_is_kicked_is_told_and_kept_out(lane: Lane) {
    let house = House::start();
    let server = &house.server;
    let mut kicked = Subscriber::open(server, lane, &Opening::new().rooms("a"));
    let mut other = Subscriber::open(server, lane, &Opening::new().rooms("a"));
    server.wait_for_subscribers(2);
    let (session, cursor) = (kicked.session().to_owned(), kicked.cursor().to_owned());
    assert_eq!(house.kick(kicked.member()), 204);
    let (close, code) = kicked.ending();
    assert_eq!((close.reason.as_str(), close.retry.as_str()), ("kicked", "no"));
    assert_eq!(code, (lane == Lane::Ws).then_some(4410));
    server.publish_to("a", 1);
    assert_eq!(other.data(1), ["1"]);
    let comes_back = Opening::new().session(&session).after(&cursor);
    for late in Lane::ALL {
        let told = refusal(server, late, &comes_back);
        assert!(told.contains("403") && told.contains("kicked"), "{late}: {told}");
    }
    let rooms = server.request(
        "PATCH",
        &format!("/v1/feeds/default/sessions/{session}/rooms"),
        "",
        r#"{"join":["b"]}"#,
    );
    assert_eq!(reason(&rooms), (404, "not_found".to_owned()));
    assert_eq!(house.kick(&session), 404, "it is over already");
    // Nothing of what it was sent is lost: who has the cursor gets the rest, as somebody else.
    let mut anew = Subscriber::open(server, lane, &Opening::new().rooms("a").after(&cursor));
    assert_eq!(anew.data(1), ["1"]);
}

fn a_kick_between_two_connections_is_told_at_the_next(lane: Lane) {
    let house = House::with(&[("session.grace_secs", "2")]);
    let server = &house.server;
    let subscriber = Subscriber::open(server, lane, &Opening::new());
    let session = subscriber.session().to_owned();
    let kept = subscriber.cut();
    server.wait_for_subscribers(0);
    assert_eq!(house.kick(&session), 204);
    let opening = Opening::new().session(&kept.session).after(&kept.cursor);
    let told = refusal(server, lane, &opening);
    assert!(told.contains("403") && told.contains("kicked"), "{told}");
    // Only for its grace: then there is no such session any more, and its client is a new one.
    eventually("the session is forgotten", || !refusal_or_none(server, &opening).contains("kicked"));
}

fn refusal_or_none(server: &TestServer, opening: &Opening) -> String {
    server.get(&opening.clone().with("wait", "0").target(Lane::Poll)).text().to_owned()
}

/// A poll that was answered is no subscriber until the next one comes, on the same connection or another.
#[test]
fn a_kick_between_two_polls_is_told_at_the_next() {
    let house = House::start();
    let server = &house.server;
    let mut line: Connection = server.connect().unwrap();
    let poll =
        |opening: &Opening| format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", opening.target(Lane::Poll));
    let first = line.exchange(poll(&Opening::new().with("wait", "0"))).unwrap().json();
    let (session, cursor) = (first["sync"]["session"].as_str().unwrap(), first["cursor"].as_str().unwrap());
    assert_eq!(house.kick(session), 204);
    let next = Opening::new().session(session).after(cursor).with("wait", "0");
    assert_eq!(reason(&line.exchange(poll(&next)).unwrap()), (403, "kicked".to_owned()));
}

fn a_connection_is_seen(lane: Lane) {
    let house = House::start();
    let server = &house.server;
    let mut subscriber = Subscriber::open(server, lane, &Opening::new().rooms("a,b"));
    let _other = Subscriber::open(server, Lane::Sse, &Opening::new().rooms("b").namespace("other"));
    let _third = Subscriber::open(server, Lane::Ws, &Opening::new().rooms("a"));
    server.wait_for_subscribers(2);
    server.publish_to("a", 1);
    assert_eq!(subscriber.data(1), ["1"]);
    let rooms = house.see("/feeds/default/rooms");
    assert_eq!(
        rooms,
        serde_json::json!({"count": 2, "rooms": [{"room": "a", "connections": 2}, {"room": "b", "connections": 1}]})
    );
    assert_eq!(house.see("/feeds/default/rooms?limit=1")["rooms"].as_array().unwrap().len(), 1);
    let all = house.see("/feeds/default/connections");
    assert_eq!((all["count"].as_u64(), all["connections"].as_array().unwrap().len()), (Some(2), 2));
    let chosen = house.see(&format!("/feeds/default/connections?room=b&transport={lane}"));
    let [found] = chosen["connections"].as_array().unwrap().as_slice() else { panic!("{chosen}") };
    assert_eq!(found["member"], *subscriber.member());
    assert_eq!(found["transport"], lane.name());
    assert_eq!(found["rooms"], serde_json::json!(["a", "b"]));
    assert_eq!(found["lag"], 0);
    assert!(["live", "behind"].contains(&found["state"].as_str().unwrap()), "{found}");
    assert!(found["since"].is_string(), "{found}");
    // What actix carries, it does not tell about.
    let is_owned = std::env::var("TRICAST_FANOUT__WAY").map_or(true, |way| way != "body");
    assert_eq!(
        found["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")),
        is_owned,
        "{found}"
    );
    assert_eq!(found["sent"].as_u64().is_some_and(|sent| sent > 100), is_owned, "{found}");
    assert_eq!(house.see("/feeds/default/connections?room=nowhere")["count"], 0);
    let state = house.see("/state");
    let names: Vec<&str> = state["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|seen| seen["namespace"].as_str())
        .collect();
    assert_eq!(names, ["default", "other"]);
    assert_eq!(state["namespaces"][0]["cursor"], server.tip());
    assert_eq!(state["nodes"][0]["subscribers"], 3);
}

/// A reader that takes nothing is the first in the list.
#[test]
fn who_lags_most_is_seen_first() {
    let house = House::with(&[("socket.unsent_max", "1024"), ("history.bytes", "67108864")]);
    let server = &house.server;
    let _reads_nothing = {
        let mut connection = server.connect().unwrap();
        let target = Opening::new().target(Lane::Sse);
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
        connection
    };
    server.wait_for_subscribers(1);
    let mut reads = Subscriber::open(server, Lane::Sse, &Opening::new());
    let large = "x".repeat(200_000);
    for n in 1..=60 {
        server.publish(&format!("{{\"data\":[{n},\"{large}\"]}}"));
        reads.event();
    }
    eventually("the one that reads has everything", || {
        let seen = house.see("/feeds/default/connections");
        let lags: Vec<u64> = seen["connections"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|found| found["lag"].as_u64())
            .collect();
        lags.len() == 2 && lags[0] > 0 && lags[1] == 0
    });
    // Where actix carries the stream, that takes a second to tell.
    eventually("the one that does not read is seen to stall", || {
        let seen = house.see("/feeds/default/connections?limit=1");
        seen["count"] == 2 && seen["connections"][0]["state"] == "stalled"
    });
}

#[test]
fn who_may_use_the_console() {
    let house = House::start();
    let ask = |headers: &str| house.server.request("GET", "/v1/admin/state", headers, "");
    assert_eq!(ask(&format!("Authorization: bearer {TOKEN}\r\n")).status, 200);
    for wrong in [
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer correct-horse-batterx\r\n",
        "Authorization: Basic x\r\n",
    ] {
        let answer = ask(wrong);
        assert_eq!(reason(&answer), (401, "unauthorized".to_owned()), "{wrong}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(
            answer.json()["detail"].as_str().unwrap().starts_with("Authorization: "),
            "{}",
            answer.text()
        );
    }
    let page = format!("Authorization: Bearer {TOKEN}\r\nOrigin: https://elsewhere.example\r\n");
    assert_eq!(reason(&ask(&page)), (403, "forbidden".to_owned()));
}

/// Without a token the console answers this machine, asked by its own name and not through somebody else.
#[test]
fn a_console_without_a_token_is_this_machines() {
    let server = TestServer::start();
    let ask = |host: &str, headers: &str| {
        let request =
            format!("GET /v1/admin/state HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        server.connect().unwrap().exchange(request).unwrap()
    };
    for host in ["localhost", "127.0.0.1:8080", "[::1]:1"] {
        assert_eq!(ask(host, "").status, 200, "{host}");
    }
    let refused = ask("test", "");
    assert_eq!(reason(&refused), (403, "forbidden".to_owned()), "a name of server.hosts is not its own");
    assert!(refused.text().contains("admin.token_file"), "{}", refused.text());
    for passed_on in
        ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 p", "X-Real-IP: 192.0.2.1"]
    {
        assert_eq!(ask("localhost", &format!("{passed_on}\r\n")).status, 403, "{passed_on}");
    }
}

#[test]
fn a_wrong_question_names_its_field() {
    let house = House::start();
    for (method, path, status, field) in [
        ("GET", "/feeds/Not/rooms", 400, "namespace"),
        ("GET", "/feeds/none/rooms", 404, "namespace"),
        ("GET", "/feeds/none/connections", 404, "namespace"),
        ("GET", "/feeds/default/rooms?limit=x", 400, "limit"),
        ("GET", "/feeds/default/rooms?colour=x", 400, "colour"),
        ("GET", "/feeds/default/connections?transport=carrier-pigeon", 400, "transport"),
        ("GET", "/feeds/default/connections?room=/", 400, "room"),
        ("GET", "/state?x=1", 400, "x"),
        ("DELETE", "/feeds/none/sessions/p_AAAAAAAAAAAAAAAAAAAAAA", 404, "namespace"),
        ("DELETE", "/feeds/default/sessions/p_AAAAAAAAAAAAAAAAAAAAAA", 404, "session"),
        ("DELETE", "/feeds/default/sessions/me", 400, "session"),
        ("POST", "/feeds/default/sessions/me", 405, "method"),
        ("POST", "/state", 405, "method"),
    ] {
        let answer = house.ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("{field}: ")), "{method} {path}: {detail}");
    }
}

/// The page itself tells nothing, so that anybody may have it; it is there without the demo.
#[test]
fn the_page_is_there_for_everybody() {
    let server = TestServer::start();
    let page = server.get("/admin");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'self'"))
    );
    assert_eq!(server.get("/static/js/console/main.js").status, 200);
    assert_eq!(server.get("/").status, 404, "the demo's page is the demo's");
    assert_eq!(server.request("POST", "/admin", "", "x").status, 405);
}
