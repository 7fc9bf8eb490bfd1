//! The page and its files through a real actix service, and the texts against everything that names one.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use actix_web::dev::ServiceResponse;
use actix_web::http::{StatusCode, header};
use actix_web::{App, test as actix};

use super::language::Language;

const STATIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../static");

async fn ask(path: &str, headers: &[(header::HeaderName, &str)]) -> ServiceResponse {
    let app =
        actix::init_service(App::new().configure(super::configure_demo).configure(super::configure)).await;
    let mut request = actix::TestRequest::get().uri(path);
    for (name, value) in headers {
        request = request.insert_header((name.clone(), *value));
    }
    actix::call_service(&app, request.to_request()).await
}

async fn page(path: &str, headers: &[(header::HeaderName, &str)]) -> String {
    let response = ask(path, headers).await;
    assert_eq!(response.status(), StatusCode::OK);
    String::from_utf8(actix::read_body(response).await.to_vec()).unwrap()
}

fn header_of(response: &ServiceResponse, name: header::HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[actix_web::test]
async fn the_language_comes_from_the_address_then_the_cookie_then_the_browser() {
    let french = "<html lang=\"fr\"";
    let english = "<html lang=\"en\"";
    assert!(page("/", &[]).await.contains(english));
    assert!(page("/?lang=fr", &[]).await.contains(french));
    assert!(page("/", &[(header::ACCEPT_LANGUAGE, "fr-FR,fr;q=0.9")]).await.contains(french));
    let both = [(header::COOKIE, "a=b; tricast_lang=en"), (header::ACCEPT_LANGUAGE, "fr")];
    assert!(page("/", &both).await.contains(english));
    assert!(page("/?lang=fr", &both).await.contains(french));
    assert!(page("/?lang=klingon", &[]).await.contains(english));
}

#[actix_web::test]
async fn only_a_choice_in_the_address_is_kept() {
    let set = |response: &ServiceResponse| header_of(response, header::SET_COOKIE).to_owned();
    assert_eq!(set(&ask("/", &[]).await), "");
    let kept = set(&ask("/?lang=fr", &[]).await);
    assert!(kept.starts_with("tricast_lang=fr; Path=/;"), "{kept}");
}

#[actix_web::test]
async fn the_page_forbids_what_it_does_not_use_and_uses_nothing_of_it() {
    let response = ask("/", &[]).await;
    assert!(header_of(&response, header::CONTENT_SECURITY_POLICY).starts_with("default-src 'self'"));
    assert_eq!(header_of(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    let html = String::from_utf8(actix::read_body(response).await.to_vec()).unwrap();
    for forbidden in [" style=", "<style", " onclick=", "javascript:", "//cdn"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    for script in html.split("<script").skip(1) {
        let tag = script.split('>').next().unwrap();
        assert!(tag.contains(" src=\"/static/"), "an inline script: {tag}");
    }
}

#[actix_web::test]
async fn the_page_is_packed_for_whoever_takes_that() {
    let plain = page("/", &[]).await;
    let response = ask("/", &[(header::ACCEPT_ENCODING, "gzip, br")]).await;
    assert_eq!(header_of(&response, header::CONTENT_ENCODING), "gzip");
    assert!(header_of(&response, header::VARY).contains("Accept-Encoding"));
    let packed = actix::read_body(response).await;
    assert!(packed.len() * 3 < plain.len(), "{} of {}", packed.len(), plain.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain);
}

#[actix_web::test]
async fn an_isolated_clock_is_asked_for_on_loopback_alone() {
    let isolation = header::HeaderName::from_static("cross-origin-opener-policy");
    let local = ask("/", &[(header::HOST, "127.0.0.1:8080")]).await;
    assert_eq!(header_of(&local, isolation.clone()), "same-origin");
    let remote = ask("/", &[(header::HOST, "feed.example:8080")]).await;
    assert_eq!(header_of(&remote, isolation), "");
}

#[actix_web::test]
async fn a_file_comes_with_its_type_and_a_tag_that_is_honoured() {
    let first = ask("/static/js/tricast.js", &[]).await;
    assert_eq!(header_of(&first, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    assert_eq!(header_of(&first, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    let tag = header_of(&first, header::ETAG).to_owned();
    assert!(tag.starts_with('"'), "a weak tag: {tag}");
    let again = ask("/static/js/tricast.js", &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let other = ask("/static/js/tricast.js", &[(header::IF_NONE_MATCH, "\"other\"")]).await;
    assert_eq!(other.status(), StatusCode::OK);
    let icon = ask("/favicon.ico", &[]).await;
    assert_eq!(header_of(&icon, header::CONTENT_TYPE), "image/svg+xml");
}

#[actix_web::test]
async fn a_file_is_packed_for_whoever_takes_that() {
    let path = "/static/js/tricast/machine.js";
    let plain = ask(path, &[]).await;
    assert_eq!(header_of(&plain, header::CONTENT_ENCODING), "");
    let plain_tag = header_of(&plain, header::ETAG).to_owned();
    let plain = actix::read_body(plain).await;
    for accepted in ["gzip", "gzip, deflate, br, zstd", "br, gzip;q=0.5"] {
        let packed = ask(path, &[(header::ACCEPT_ENCODING, accepted)]).await;
        assert_eq!(header_of(&packed, header::CONTENT_ENCODING), "gzip", "{accepted}");
        assert_eq!(header_of(&packed, header::VARY), "accept-encoding");
        assert_ne!(header_of(&packed, header::ETAG), plain_tag);
        let packed = actix::read_body(packed).await;
        assert!(packed.len() * 2 < plain.len(), "{} of {}", packed.len(), plain.len());
        assert_eq!(unpacked(&packed), plain);
    }
    for refused in ["identity", "br", "gzip;q=0", ""] {
        let plain = ask(path, &[(header::ACCEPT_ENCODING, refused)]).await;
        assert_eq!(header_of(&plain, header::CONTENT_ENCODING), "", "{refused}");
    }
}

/// Bytes of everything that the first sight of the demo page needs, packed: what the page names, and what its scripts import
/// before anybody has done anything.
const FIRST_SIGHT_BYTES_MAX: usize = 71_000;

#[actix_web::test]
async fn the_first_sight_of_the_page_is_small() {
    let mut sum = 0;
    // The sliders of the network are unfolded from the start, so that they are loaded at once.
    let first = ["/", "/static/locales/fr.json", "/static/js/page/network.js"];
    let mut pending = first.map(str::to_owned).to_vec();
    let mut known: BTreeSet<String> = pending.iter().cloned().collect();
    while let Some(path) = pending.pop() {
        let packed = ask(&path, &[(header::ACCEPT_ENCODING, "gzip"), (header::ACCEPT_LANGUAGE, "fr")]).await;
        assert_eq!(packed.status(), StatusCode::OK, "{path}");
        let is_packed = header_of(&packed, header::CONTENT_ENCODING) == "gzip";
        let body = actix::read_body(packed).await;
        sum += body.len();
        let text = if is_packed { unpacked(&body) } else { body.to_vec() };
        for next in loaded_by(&path, &String::from_utf8(text).unwrap()) {
            if known.insert(next.clone()) {
                pending.push(next);
            }
        }
    }
    assert!(known.len() > 30, "{known:?}");
    assert!(sum <= FIRST_SIGHT_BYTES_MAX, "{sum} bytes for {known:?}");
}

/// What a page names by `src` and `href`, or what a script imports at its start.
fn loaded_by(path: &str, text: &str) -> Vec<String> {
    let after = |opening: &'static str, closing: char| {
        text.split(opening).skip(1).filter_map(move |rest| rest.split_once(closing)).map(|(name, _)| name)
    };
    if path == "/" {
        let named = after("src=\"", '"').chain(after("href=\"", '"'));
        return named.filter(|name| name.starts_with("/static/")).map(str::to_owned).collect();
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    after(" from '", '\'').filter(|name| name.starts_with('.')).map(|name| resolved(folder, name)).collect()
}

fn resolved(folder: &str, name: &str) -> String {
    let mut steps: Vec<&str> = folder.split('/').collect();
    for step in name.split('/') {
        match step {
            "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut unpacked).unwrap();
    unpacked
}

#[actix_web::test]
async fn nothing_but_the_pages_own_files_is_served() {
    for path in [
        "templates/page.html",
        "js/../templates/page.html",
        "../Cargo.toml",
        "",
        "js",
        "js/none.js",
        "%2e%2e/x",
    ] {
        let response = ask(&format!("/static/{path}"), &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn both_languages_have_the_same_texts() {
    let keys = |language: Language| -> BTreeSet<&str> { language.texts().keys().collect() };
    let (english, french) = (keys(Language::English), keys(Language::French));
    assert_eq!(
        english.difference(&french).count(),
        0,
        "missing in fr.json: {:?}",
        english.difference(&french)
    );
    assert_eq!(
        french.difference(&english).count(),
        0,
        "missing in en.json: {:?}",
        french.difference(&english)
    );
}

#[test]
fn both_languages_fill_in_the_same_places() {
    for key in Language::English.texts().keys() {
        let places = |language: Language| places_in(language.texts().of(key));
        assert_eq!(places(Language::English), places(Language::French), "{key}");
    }
}

#[test]
fn every_text_that_is_named_exists_and_every_text_is_named() {
    let texts = Language::English.texts();
    let known: BTreeSet<&str> = texts.keys().collect();
    let mut sources = [include_str!("page.rs"), include_str!("console.rs")].concat();
    for path in files_under(Path::new(STATIC)) {
        sources.push_str(&std::fs::read_to_string(path).unwrap());
    }
    for named in named_in(&sources) {
        let plural = format!("{named}.other");
        assert!(known.contains(named) || known.contains(plural.as_str()), "no text for {named}");
    }
    let unused: Vec<_> = known.iter().filter(|key| !is_named(&sources, key)).collect();
    assert!(unused.is_empty(), "texts that nothing names: {unused:?}");
}

/// The `{place}` holders of a text.
fn places_in(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// The keys in `t.of("…")` of templates and `t('…'` of scripts, where they are written out.
fn named_in(sources: &str) -> Vec<&str> {
    let after = |opening: &'static str, closing: char| {
        sources.split(opening).skip(1).filter_map(move |rest| rest.split_once(closing)).map(|(key, _)| key)
    };
    after("t.of(\"", '"').chain(after(" t('", '\'')).chain(after("(t('", '\'')).collect()
}

/// A key is named whole; by its stem, where a plural or a script adds the last part.
fn is_named(sources: &str, key: &str) -> bool {
    let is_quoted =
        |text: &str| sources.contains(&format!("'{text}'")) || sources.contains(&format!("\"{text}\""));
    let (stem, last) = key.rsplit_once('.').unwrap_or((key, ""));
    let is_plural = last == "one" || last == "other";
    is_quoted(key) || (is_plural && is_quoted(stem)) || sources.contains(&format!("`{stem}.$"))
}

/// The page's scripts and templates. The report's templates bring their own words.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if is_source(&path) {
                found.push(path);
            }
        }
    }
    found
}

fn is_source(path: &Path) -> bool {
    let is_report = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("report"));
    !is_report && path.extension().is_some_and(|ending| ending == "js" || ending == "html")
}
