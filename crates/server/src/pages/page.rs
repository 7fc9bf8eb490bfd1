//! Renders the page. Everything that moves is added by its scripts; without them the page still says what it is.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use flate2::Compression;
use serde::Deserialize;

use super::assets::{packed, takes_gzip};
use super::language::{COOKIE, Choice, Language, Texts, choose};

/// Only what the page's own server sends: no inline script or style, no other origin, no frame around it.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
const KEPT_SECONDS: u32 = 365 * 24 * 60 * 60;

/// The parameters of the page's address. Others are left to the page's scripts.
#[derive(Deserialize)]
pub(super) struct Query {
    pub(super) lang: Option<String>,
}

/// One of the three columns. Its words are keys of the texts.
pub(super) struct Lane {
    pub(super) way: &'static str,
    pub(super) mark: &'static str,
    number: u8,
    name: &'static str,
    pub(super) short: &'static str,
    tiny: &'static str,
    how: &'static str,
}

pub(super) const LANES: [Lane; 3] = [
    Lane {
        way: "poll",
        mark: "triangle",
        number: 1,
        name: "lane.poll.name",
        short: "lane.poll.short",
        tiny: "lane.poll.tiny",
        how: "lane.poll.how",
    },
    Lane {
        way: "sse",
        mark: "square",
        number: 2,
        name: "lane.sse.name",
        short: "lane.sse.short",
        tiny: "lane.sse.tiny",
        how: "lane.sse.how",
    },
    Lane {
        way: "ws",
        mark: "circle",
        number: 3,
        name: "lane.ws.name",
        short: "lane.ws.short",
        tiny: "lane.ws.tiny",
        how: "lane.ws.how",
    },
];

/// One of the scenarios that a click plays. Its words are keys of the texts.
struct Scene {
    name: &'static str,
    title: &'static str,
    look: &'static str,
}

const SCENES: [Scene; 7] = [
    Scene { name: "calm", title: "scene.calm", look: "scene.calm.look" },
    Scene { name: "burst", title: "scene.burst", look: "scene.burst.look" },
    Scene { name: "slow", title: "scene.slow", look: "scene.slow.look" },
    Scene { name: "proxy", title: "scene.proxy", look: "scene.proxy.look" },
    Scene { name: "cut", title: "scene.cut", look: "scene.cut.look" },
    Scene { name: "restart", title: "scene.restart", look: "scene.restart.look" },
    Scene { name: "crowd", title: "scene.crowd", look: "scene.crowd.look" },
];

const TABS: [&str; 3] = ["events", "wire", "code"];

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    language: Language,
    t: &'static Texts,
    lanes: &'static [Lane],
    scenes: &'static [Scene],
    tabs: &'static [&'static str],
    version: &'static str,
    /// Where the visitor found the server, for commands to be pasted.
    origin: String,
}

/// `GET /`: the page, in the visitor's language.
pub(super) async fn show(request: HttpRequest, query: web::Query<Query>) -> actix_web::Result<HttpResponse> {
    let choice = choose(&request, query.lang.as_deref());
    let page = Page {
        language: choice.language,
        t: choice.language.texts(),
        lanes: &LANES,
        scenes: &SCENES,
        tabs: &TABS,
        version: env!("CARGO_PKG_VERSION"),
        origin: origin(&request),
    };
    answer(&request, &choice, &page)
}

/// A page as an answer, in the language that was chosen.
pub(super) fn answer(
    request: &HttpRequest,
    choice: &Choice,
    page: &impl Template,
) -> actix_web::Result<HttpResponse> {
    let html = page.render().map_err(actix_web::error::ErrorInternalServerError)?;
    let mut response = HttpResponse::Ok();
    if choice.explicit {
        response.insert_header((header::SET_COOKIE, remembered(choice.language)));
    }
    response.insert_header((header::CONTENT_LANGUAGE, choice.language.tag()));
    guard(&mut response, request);
    response.content_type("text/html; charset=utf-8");
    if !takes_gzip(request) {
        return Ok(response.body(html));
    }
    response.insert_header(header::ContentEncoding::Gzip);
    Ok(response.body(packed(html.as_bytes(), Compression::default())))
}

fn origin(request: &HttpRequest) -> String {
    let info = request.connection_info();
    format!("{}://{}", info.scheme(), info.host())
}

fn remembered(language: Language) -> String {
    let tag = language.tag();
    format!("{COOKIE}={tag}; Path=/; Max-Age={KEPT_SECONDS}; HttpOnly; SameSite=Lax")
}

/// The headers of a page that nothing foreign may load into, frame, or learn from.
fn guard(response: &mut actix_web::HttpResponseBuilder, request: &HttpRequest) {
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("Permissions-Policy", "camera=(), geolocation=(), microphone=()"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::VARY, "Accept-Language, Cookie, Accept-Encoding"));
    if is_loopback(request) {
        // An isolated page gets a clock of 5 µs instead of 100 µs, which the race between the lanes needs. Browsers
        // grant it to trustworthy origins alone and complain about the headers elsewhere.
        response
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
            .insert_header(("Cross-Origin-Embedder-Policy", "require-corp"));
    }
}

fn is_loopback(request: &HttpRequest) -> bool {
    let info = request.connection_info();
    let host = info.host();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.starts_with("127.") || host.starts_with("[::1]")
}
