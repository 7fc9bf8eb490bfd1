//! The files that the pages load, embedded in the program. They are sent packed to whoever takes that.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use actix_web::http::header::{
    self, AcceptEncoding, ContentEncoding, Encoding, EntityTag, Header as _, IfNoneMatch,
};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::lean::without_comments;

/// Files that were asked for packed (RFC 1952), by their path: never more than there are.
static PACKED: LazyLock<Mutex<HashMap<String, Bytes>>> = LazyLock::new(Mutex::default);

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
    let is_packed = takes_gzip(request);
    let tag = entity_tag(&file, is_packed);
    if is_known(request, &tag) {
        return HttpResponse::NotModified()
            .insert_header(header::ETag(tag))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::VARY, "accept-encoding"))
            .finish();
    }
    let data = lean(path, file.data);
    let body = if is_packed { kept_packed(path, &data) } else { Bytes::from(data.into_owned()) };
    let mut response = HttpResponse::Ok();
    if is_packed {
        response.insert_header(ContentEncoding::Gzip);
    }
    response
        .insert_header(header::ETag(tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::VARY, "accept-encoding"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .content_type(media_type)
        .body(body)
}

/// Scripts and styles are explained in the repository; over the wire the explanations would be a third of them.
fn lean<'a>(path: &str, data: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    match str::from_utf8(&data) {
        Ok(text) if path.ends_with(".js") || path.ends_with(".css") => {
            Cow::Owned(without_comments(text).into_bytes())
        }
        _ => data,
    }
}

/// Whether the client would rather have it packed (RFC 9110, section 12.5.3). One that does not say so does not.
pub(super) fn takes_gzip(request: &HttpRequest) -> bool {
    let says = request.headers().contains_key(header::ACCEPT_ENCODING);
    let offered = [Encoding::gzip(), Encoding::identity()];
    let chosen = AcceptEncoding::parse(request).ok().and_then(|accepted| accepted.negotiate(offered.iter()));
    says && chosen == Some(Encoding::gzip())
}

/// A file, packed when it is asked for first.
fn kept_packed(path: &str, data: &[u8]) -> Bytes {
    let mut known = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(packed) = known.get(path) {
        return packed.clone();
    }
    let packed = packed(data, Compression::best());
    known.insert(path.to_owned(), packed.clone());
    packed
}

/// Bytes in gzip (RFC 1952).
pub(super) fn packed(bytes: &[u8], how: Compression) -> Bytes {
    let mut packing = GzEncoder::new(Vec::new(), how);
    // A vector takes everything.
    Bytes::from(packing.write_all(bytes).and_then(|()| packing.finish()).unwrap_or_default())
}

/// A strong tag: the first half of the content's SHA-256. The packed file is another representation.
fn entity_tag(file: &EmbeddedFile, is_packed: bool) -> EntityTag {
    let hash = file.metadata.sha256_hash();
    let mut text: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    if is_packed {
        text.push_str("-gzip");
    }
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
