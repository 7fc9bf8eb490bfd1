//! The files that the page loads, embedded in the program.

use actix_web::http::header::{self, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What may be served. Templates are not: they are no use to a browser.
#[derive(RustEmbed)]
#[folder = "../../static/"]
#[include = "js/tricast.js"]
#[include = "js/tricast/*"]
#[include = "js/page/*"]
#[include = "js/console/*"]
#[include = "css/*"]
#[include = "locales/*"]
#[include = "icons/*"]
struct Assets;

/// `GET /static/{path}`: one file. It may be kept, but has to be asked about each time: its name says no version.
pub(super) async fn show(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    answer(&request, &path)
}

/// `GET /favicon.ico`: for what asks by habit.
pub(super) async fn favicon(request: HttpRequest) -> HttpResponse {
    answer(&request, "icons/favicon.svg")
}

fn answer(request: &HttpRequest, path: &str) -> HttpResponse {
    let (Some(file), Some(media_type)) = (Assets::get(path), media_type(path)) else {
        return HttpResponse::NotFound().finish();
    };
    let tag = entity_tag(&file);
    if is_known(request, &tag) {
        return HttpResponse::NotModified()
            .insert_header(header::ETag(tag))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .finish();
    }
    HttpResponse::Ok()
        .insert_header(header::ETag(tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .content_type(media_type)
        .body(file.data.into_owned())
}

/// A strong tag: the first half of the content's SHA-256.
fn entity_tag(file: &EmbeddedFile) -> EntityTag {
    let hash = file.metadata.sha256_hash();
    let text: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    EntityTag::new_strong(text)
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

fn media_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "json" => Some("application/json"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}
