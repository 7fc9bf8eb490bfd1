//! The demo's routes, asked as the page asks them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use actix_web::App;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tricast_feed::{Millis, Namespace, Retention};
use tricast_hub::{Feeds, Hub, Limits, MemoryEngine, Shared, system_now};

use super::*;
use crate::ctx::Ctx;
use crate::settings::{Settings, SettingsSource};

/// A network that notes what it is told, and has one lane.
#[derive(Default)]
pub(super) struct NotingNetwork {
    told: Mutex<Vec<String>>,
    bots: Mutex<usize>,
}

impl Network for NotingNetwork {
    fn cut(&self, label: &str, length: Duration) {
        self.told.lock().unwrap().push(format!("cut {label} {}", length.as_millis()));
    }

    fn kill(&self, label: &str) {
        self.told.lock().unwrap().push(format!("kill {label}"));
    }

    fn set_conditions(&self, label: &str, json: &[u8]) -> Result<(), String> {
        let json = String::from_utf8_lossy(json);
        if json.contains("speed") {
            return Err("unknown field `speed`".to_owned());
        }
        self.told.lock().unwrap().push(format!("conditions {label} {json}"));
        Ok(())
    }

    fn conditions(&self, label: &str) -> Value {
        if label == "sse" { json!({ "down": { "stall": true } }) } else { json!({}) }
    }

    fn wire(&self, label: &str, since: u64) -> Option<WireView> {
        let bytes = Bytes::from_static(b"GET");
        let piece = WirePiece { seq: 4, direction: WireDirection::In, at: SystemTime::UNIX_EPOCH, bytes };
        let totals = WireTotals { in_bytes: 3, out_bytes: 9, requests: 1, connections: 1 };
        let pieces = if since < 4 { vec![piece] } else { vec![] };
        (label == "sse").then_some(WireView { next: 4, totals, pieces })
    }
}

impl Power for NotingNetwork {
    fn restart(&self, away: Duration) {
        self.told.lock().unwrap().push(format!("restart {}", away.as_millis()));
    }
}

impl Adviser for NotingNetwork {
    fn advise(&self, question: &[u8], language: &str) -> Result<Box<RawValue>, String> {
        if question == b"{}" {
            return Err("nothing is asked".to_owned());
        }
        let told = format!("advice {language} {}", String::from_utf8_lossy(question));
        self.told.lock().unwrap().push(told);
        Ok(RawValue::from_string(r#"{"recommendation":"any"}"#.to_owned()).unwrap())
    }
}

impl Bots for NotingNetwork {
    fn want(&self, count: usize) {
        *self.bots.lock().unwrap() = count;
        self.told.lock().unwrap().push(format!("bots {count}"));
    }

    fn state(&self) -> BotsState {
        BotsState { wanted: *self.bots.lock().unwrap(), max: 50, ..BotsState::default() }
    }
}

pub(super) fn desk_and_shared(rate: f64, payload: usize) -> (Arc<Desk>, Arc<Shared>) {
    desk_on(Arc::new(NotingNetwork::default()), rate, payload)
}

pub(super) fn desk(rate: f64, payload: usize) -> Arc<Desk> {
    desk_and_shared(rate, payload).0
}

fn desk_on(network: Arc<NotingNetwork>, rate: f64, payload: usize) -> (Arc<Desk>, Arc<Shared>) {
    let retention = Retention::default();
    let feeds =
        Feeds::new(&[(Namespace::new("default").unwrap(), retention.into())], retention.into(), false, 1);
    let engine = MemoryEngine::new(Millis(1000), 10);
    let shared = Shared::new(feeds, Arc::new(engine), Limits::default(), system_now);
    let power = Arc::<NotingNetwork>::clone(&network);
    let bots = Arc::<NotingNetwork>::clone(&network);
    let adviser = Arc::<NotingNetwork>::clone(&network);
    let kept = Arc::default();
    let parts = DemoParts { network, power, bots, adviser, rate, payload, kept, seed: 7 };
    (Arc::new(Desk::new(&parts, Arc::clone(&shared))), shared)
}

/// A demo of 2 events a second that is asked more than once.
struct Asked {
    network: Arc<NotingNetwork>,
    desk: Arc<Desk>,
    ctx: Ctx,
}

impl Asked {
    fn new() -> Self {
        let network = Arc::new(NotingNetwork::default());
        let (desk, shared) = desk_on(Arc::clone(&network), 2.0, 256);
        let settings = Arc::new(Settings::load(&SettingsSource::default()).unwrap());
        Self { network, desk, ctx: Ctx { hub: Hub::start(&shared), settings } }
    }

    /// One request: the status, the body (`null` for none), and what the network has been told so far.
    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value, Vec<String>) {
        let desk = Arc::clone(&self.desk);
        let app = App::new().app_data(self.ctx.clone()).configure(move |routes| configure(routes, desk));
        let app = init_service(app).await;
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = TestRequest::with_uri(path).method(method).set_payload(body.to_owned());
        if path.contains("evil") {
            request = request
                .insert_header(("host", "localhost:8080"))
                .insert_header(("origin", "http://evil.test"));
        }
        let response = call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let is_problem =
            response.headers().get("content-type").is_some_and(|kind| kind == "application/problem+json");
        assert_eq!(is_problem, status >= 400, "{path}");
        let body = read_body(response).await;
        let told = self.network.told.lock().unwrap().clone();
        (status, serde_json::from_slice(&body).unwrap_or_default(), told)
    }

    /// Rate and bots as they are now.
    fn set(&self) -> (f64, usize) {
        (self.desk.stage.wishes().borrow().rate, self.network.state().wanted)
    }
}

/// One request to a demo of its own.
async fn asked(method: &str, path: &str, body: &str) -> (u16, Value, Vec<String>) {
    Asked::new().ask(method, path, body).await
}

/// A refusal: its status, its reason, and the start of its detail, which names the field. The network is left alone.
async fn refused(method: &str, path: &str, body: &str, expected: (u16, &str, &str)) {
    let (status, problem, told) = asked(method, path, body).await;
    let detail = problem["detail"].as_str().unwrap_or_default();
    let (_, reason, field) = expected;
    assert_eq!(
        (status, problem["reason"].as_str().unwrap_or_default()),
        (expected.0, reason),
        "{path} {problem}"
    );
    assert!(detail.starts_with(field), "{method} {path} {body}: {detail}");
    assert!(told.is_empty());
}

#[actix_web::test]
async fn state_has_all_that_the_page_shows() {
    let (status, mut state, _) = asked("GET", "/demo/state", "").await;
    assert_eq!(status, 200);
    assert!(state["server"]["uptime_ms"].is_u64());
    assert!(state["server"]["rss_bytes"].as_u64().is_none_or(|bytes| bytes > 100_000));
    assert_eq!(state["now"].as_str().map(str::len), Some("2026-11-22T13:20:11.042Z".len()));
    for changing in ["uptime_ms", "rss_bytes"] {
        state["server"][changing] = json!(0);
    }
    state["now"] = json!("");
    let expected = json!({
        "source": {
            "rate": 2.0, "payload": 256, "paused": false, "published": 0, "missed_ticks": 0,
            "rooms": ["kitchen", "builds", "comments", "payments", "alerts"],
        },
        "server": {
            "cpu_percent": null, "rss_bytes": 0, "uptime_ms": 0, "deliveries": 0,
            "subscribers": {"poll": 0, "sse": 0, "ws": 0},
        },
        "scene": null,
        "now": "",
        "limits": {"rate_max": 5000.0, "payload_max": 65536, "flow_max": 335_544_320.0},
    });
    assert_eq!(state, expected);
}

#[actix_web::test]
async fn the_source_is_changed_and_answers_with_its_state() {
    let (status, source, _) =
        asked("PATCH", "/demo/source", r#"{"rate":50,"payload":1024,"paused":true}"#).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&source["rate"], &source["payload"], &source["paused"]),
        (&json!(50.0), &json!(1024), &json!(true))
    );
    for (body, field) in [
        (r#"{"rate":5001}"#, "rate:"),
        (r#"{"payload":1}"#, "payload:"),
        (r#"{"paused":"yes"}"#, "paused:"),
        (r#"{"speed":1}"#, "speed:"),
        ("not json", "body:"),
    ] {
        refused("PATCH", "/demo/source", body, (400, "bad_request", field)).await;
    }
    refused("PATCH", "/demo/source", &"x".repeat(5000), (413, "too_large", "body:")).await;
}

#[actix_web::test]
async fn a_lane_is_put_under_conditions() {
    let stall = r#"{"down":{"stall":true}}"#;
    let (status, body, told) = asked("PUT", "/demo/lanes/sse/conditions", stall).await;
    let now = json!({ "down": { "stall": true } });
    assert_eq!((status, body, told), (200, now, vec![format!("conditions sse {stall}")]));
    let (status, body, told) = asked("GET", "/demo/lanes/ws/conditions", "").await;
    assert_eq!((status, body, told), (200, json!({}), vec![]));
    let wrong = (400, "bad_request", "conditions: unknown field `speed`");
    refused("PUT", "/demo/lanes/sse/conditions", r#"{"speed":1}"#, wrong).await;
    refused("PUT", "/demo/lanes/a%20b/conditions", "{}", (400, "bad_request", "label:")).await;
    refused("PUT", "/demo/lanes/evil/conditions", "{}", (403, "forbidden", "Origin:")).await;
    refused("POST", "/demo/lanes/sse/conditions", "{}", (405, "bad_request", "method:")).await;
}

#[actix_web::test]
async fn lanes_are_cut_and_killed() {
    let (status, body, told) = asked("POST", "/demo/restart", r#"{"ms":2000}"#).await;
    assert_eq!((status, body, told), (202, Value::Null, vec!["restart 2000".to_owned()]));
    for body in [r#"{"ms":0}"#, r#"{"ms":30001}"#, r#"{}"#] {
        refused("POST", "/demo/restart", body, (400, "bad_request", "ms:")).await;
    }
    refused("GET", "/demo/restart", "", (405, "bad_request", "method:")).await;
    let (status, body, told) = asked("POST", "/demo/lanes/sse/cut", r#"{"ms":5000}"#).await;
    assert_eq!((status, body, told), (204, Value::Null, vec!["cut sse 5000".to_owned()]));
    let (status, _, told) = asked("POST", "/demo/lanes/p%3A1/kill", "").await;
    assert_eq!((status, told), (204, vec!["kill p:1".to_owned()]));
    for body in [r#"{"ms":0}"#, r#"{"ms":60001}"#, r#"{"ms":1.5}"#, r#"{"ms":"1"}"#, "{}"] {
        refused("POST", "/demo/lanes/sse/cut", body, (400, "bad_request", "ms:")).await;
    }
    refused("POST", "/demo/lanes/sse/cut", r#"{"ms":1,"for":2}"#, (400, "bad_request", "for:")).await;
    refused("POST", "/demo/lanes/sse/cut", "", (400, "bad_request", "body:")).await;
    refused("POST", "/demo/lanes/a%20b/cut", r#"{"ms":1}"#, (400, "bad_request", "label:")).await;
    refused("POST", &format!("/demo/lanes/{}/kill", "x".repeat(65)), "", (400, "bad_request", "label:"))
        .await;
}

#[actix_web::test]
async fn the_wire_shows_bytes_in_base64() {
    let (status, wire, _) = asked("GET", "/demo/lanes/sse/wire?since=1", "").await;
    assert_eq!(status, 200);
    let expected = json!({
        "next": 4,
        "skipped": 2,
        "totals": {"in_bytes": 3, "out_bytes": 9, "requests": 1, "connections": 1},
        "pieces": [{"seq": 4, "dir": "in", "at": "1970-01-01T00:00:00.000Z", "bytes": "R0VU"}],
    });
    assert_eq!(wire, expected);
    let (_, wire, _) = asked("GET", "/demo/lanes/sse/wire?since=4", "").await;
    assert_eq!((&wire["pieces"], &wire["skipped"]), (&json!([]), &json!(0)));
    refused("GET", "/demo/lanes/ws/wire", "", (404, "not_found", "label:")).await;
    refused("GET", "/demo/lanes/sse/wire?since=x", "", (400, "bad_request", "since:")).await;
    refused("GET", "/demo/lanes/sse/wire?from=1", "", (400, "bad_request", "from:")).await;
}

#[actix_web::test]
async fn other_methods_and_other_sites_are_refused() {
    refused("POST", "/demo/state", "", (405, "bad_request", "method:")).await;
    refused("GET", "/demo/source", "", (405, "bad_request", "method:")).await;
    refused("GET", "/demo/lanes/sse/cut", "", (405, "bad_request", "method:")).await;
    refused("POST", "/demo/lanes/evil/kill", "", (403, "forbidden", "Origin:")).await;
    refused("PATCH", "/demo/source?evil", r#"{"rate":1}"#, (403, "forbidden", "Origin:")).await;
}

#[actix_web::test]
async fn advice_is_asked_with_its_language_and_a_wrong_question_is_named() {
    let (status, answer, told) = asked("POST", "/demo/advice?lang=fr", r#"{"clients":5}"#).await;
    assert_eq!((status, answer["recommendation"].as_str()), (200, Some("any")));
    assert_eq!(told, [r#"advice fr {"clients":5}"#]);
    refused("POST", "/demo/advice", "{}", (400, "bad_request", "question")).await;
    refused("POST", "/demo/advice?at=1", "{}", (400, "bad_request", "at")).await;
}

#[actix_web::test]
async fn bots_are_wanted_within_their_bound() {
    let (status, answer, told) = asked("PUT", "/demo/bots", r#"{"count":50}"#).await;
    assert_eq!((status, answer["max"].as_u64(), told), (200, Some(50), vec!["bots 50".to_owned()]));
    refused("PUT", "/demo/bots", r#"{"count":51}"#, (400, "bad_request", "count")).await;
    assert_eq!(asked("GET", "/demo/bots", "").await.0, 200);
}

#[actix_web::test]
async fn too_many_bots_for_what_is_published_are_refused_and_the_other_way_round() {
    let demo = Asked::new();
    let most = r#"{"rate":5000,"payload":65536}"#;
    assert_eq!(demo.ask("PATCH", "/demo/source", most).await.0, 200);
    let (status, problem, told) = demo.ask("PUT", "/demo/bots", r#"{"count":2}"#).await;
    assert_eq!((status, told), (400, vec![]));
    assert!(problem["detail"].as_str().unwrap().starts_with("count: rate × payload × bots"), "{problem}");
    assert_eq!(demo.ask("PATCH", "/demo/source", r#"{"rate":100}"#).await.0, 200);
    assert_eq!(demo.ask("PUT", "/demo/bots", r#"{"count":50}"#).await.0, 200);
    let (status, problem, _) = demo.ask("PATCH", "/demo/source", r#"{"rate":200}"#).await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().starts_with("rate: rate × payload × bots"), "{problem}");
    assert_eq!(demo.set(), (100.0, 50), "what was granted stays");
}

const CROWD: &str = r#"{"id":"a1","name":"crowd","seconds":60}"#;

#[actix_web::test]
async fn what_a_scenario_sets_is_set_back_when_it_ends() {
    let demo = Asked::new();
    demo.ask("PUT", "/demo/bots", r#"{"count":5}"#).await;
    let (status, lease, _) = demo.ask("POST", "/demo/scene", CROWD).await;
    assert_eq!((status, lease), (200, json!({"id": "a1", "name": "crowd", "seconds": 60})));
    assert_eq!(demo.ask("PATCH", "/demo/source?scene=a1", r#"{"rate":50}"#).await.0, 200);
    assert_eq!(demo.ask("PUT", "/demo/bots?scene=a1", r#"{"count":50}"#).await.0, 200);
    assert_eq!(demo.set(), (50.0, 50));
    let (_, state, _) = demo.ask("GET", "/demo/state", "").await;
    assert_eq!((&state["scene"]["id"], &state["scene"]["name"]), (&json!("a1"), &json!("crowd")));
    let (status, problem, _) =
        demo.ask("POST", "/demo/scene", r#"{"id":"b2","name":"calm","seconds":9}"#).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().starts_with("scene: \"crowd\" runs"), "{problem}");
    assert_eq!(demo.ask("DELETE", "/demo/scene/b2", "").await.0, 409);
    assert_eq!(demo.set(), (50.0, 50));
    assert_eq!(demo.ask("DELETE", "/demo/scene/a1", "").await.0, 204);
    assert_eq!(demo.set(), (2.0, 5));
    assert_eq!(demo.ask("DELETE", "/demo/scene/a1", "").await.0, 409);
}

#[actix_web::test]
async fn a_change_by_hand_ends_a_scenario_and_holds() {
    for (method, path, body, expected) in [
        ("PATCH", "/demo/source", r#"{"rate":7}"#, (7.0, 0)),
        ("PATCH", "/demo/source", r#"{"paused":true}"#, (2.0, 0)),
        ("PUT", "/demo/bots", r#"{"count":9}"#, (2.0, 9)),
    ] {
        let demo = Asked::new();
        demo.ask("POST", "/demo/scene", CROWD).await;
        demo.ask("PATCH", "/demo/source?scene=a1", r#"{"rate":50}"#).await;
        demo.ask("PUT", "/demo/bots?scene=a1", r#"{"count":50}"#).await;
        assert_eq!(demo.ask(method, path, r#"{"wrong":1}"#).await.0, 400);
        assert_eq!(demo.set(), (50.0, 50), "a mistake ends nothing");
        assert_eq!(demo.ask(method, path, body).await.0, 200);
        assert_eq!(demo.set(), expected);
        let (status, problem, _) = demo.ask("PATCH", "/demo/source?scene=a1", r#"{"rate":50}"#).await;
        assert_eq!(status, 409);
        assert!(problem["detail"].as_str().unwrap().starts_with("scene: it is over"), "{problem}");
        assert_eq!(demo.ask("PUT", "/demo/bots?scene=a1", r#"{"count":50}"#).await.0, 409);
        assert_eq!(demo.set(), expected);
    }
}

#[actix_web::test]
async fn a_server_that_ends_in_a_scenario_leaves_the_bots_as_they_were() {
    let Asked { network, desk, .. } = Asked::new();
    desk.stage.want_bots(5, None).unwrap();
    desk.stage.begin(CROWD.as_bytes()).unwrap();
    desk.stage.want_bots(50, Some("a1")).unwrap();
    drop(desk);
    assert_eq!(network.state().wanted, 5);
}

#[actix_web::test]
async fn a_server_that_is_started_again_has_what_was_set_by_hand() {
    let demo = Asked::new();
    let stage = |kept: &Arc<Kept>| {
        let bots: Arc<dyn Bots> = Arc::<NotingNetwork>::clone(&demo.network);
        stage::Stage::new(wishes::Wishes::bounded(2.0, 256), Arc::clone(kept), bots)
    };
    let rate = |stage: &stage::Stage| stage.wishes().borrow().rate;
    let kept = Arc::default();
    assert_eq!(rate(&stage(&kept)), 2.0);
    let first = stage(&kept);
    first.change(br#"{"rate":50}"#, None).unwrap();
    first.begin(CROWD.as_bytes()).unwrap();
    first.change(br#"{"rate":500}"#, Some("a1")).unwrap();
    assert_eq!((rate(&first), rate(&stage(&kept))), (500.0, 50.0), "what a scenario sets is not kept");
    first.change(br#"{"payload":1024}"#, None).unwrap();
    assert_eq!(rate(&stage(&kept)), 50.0);
    first.change(br#"{"rate":7}"#, None).unwrap();
    drop(first);
    assert_eq!(rate(&stage(&kept)), 7.0);
}

#[actix_web::test]
async fn a_mistake_in_a_lease_names_its_field() {
    for (body, field) in [
        (r#"{"id":"a b","name":"calm","seconds":9}"#, "id:"),
        (r#"{"id":"a1","name":"","seconds":9}"#, "name:"),
        (r#"{"id":"a1","name":"calm","seconds":0}"#, "seconds:"),
        (r#"{"id":"a1","name":"calm","seconds":61}"#, "seconds:"),
        (r#"{"id":"a1","name":"calm"}"#, "body:"),
        (r#"{"id":"a1","name":"calm","seconds":9,"for":1}"#, "body:"),
    ] {
        refused("POST", "/demo/scene", body, (400, "bad_request", field)).await;
    }
    refused("GET", "/demo/scene", "", (405, "bad_request", "method:")).await;
    refused("PATCH", "/demo/source?scene=a1", r#"{"rate":1}"#, (409, "forbidden", "scene:")).await;
    refused("POST", "/demo/scene?evil", "{}", (403, "forbidden", "Origin:")).await;
}
