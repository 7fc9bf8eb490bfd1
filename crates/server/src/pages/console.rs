//! Renders the console. What it shows, its script asks of `/v1/admin`, which is where it is decided who may see it.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::language::{Language, Texts, choose};
use super::page::{LANES, Lane, Query, answer};

#[derive(Template)]
#[template(path = "console.html")]
struct Console {
    language: Language,
    t: &'static Texts,
    lanes: &'static [Lane],
    version: &'static str,
}

/// `GET /admin`: the console, in the visitor's language.
pub(super) async fn show(request: HttpRequest, query: web::Query<Query>) -> actix_web::Result<HttpResponse> {
    let choice = choose(&request, query.lang.as_deref());
    let console = Console {
        language: choice.language,
        t: choice.language.texts(),
        lanes: &LANES,
        version: env!("CARGO_PKG_VERSION"),
    };
    answer(&request, &choice, &console)
}
