//! The routes, and what every handler is given.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpRequest};
use tricast_feed::Reason;
use tricast_hub::Hub;

use crate::problem::{Refusal, not_found, wrong_method};
use crate::settings::Settings;
use crate::transport::{poll::poll, sse, ws::ws};
use crate::{health, history, publish, report, sessions};

/// What a handler needs: this worker's hub, and the settings.
#[derive(Debug, Clone)]
pub(crate) struct Ctx {
    pub(crate) hub: Hub,
    pub(crate) settings: Arc<Settings>,
}

impl FromRequest for Ctx {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let missing = || Refusal::new(Reason::Internal, "the worker has no hub");
        ready(request.app_data::<Self>().cloned().ok_or_else(missing))
    }
}

/// Everything that `serve` answers.
pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(
            web::scope("/v1/feeds/{namespace}")
                .service(web::resource("").get(history::state).default_service(only("GET")))
                .service(
                    web::resource("/events")
                        .get(history::page)
                        .post(publish::publish)
                        .default_service(only("GET, POST")),
                )
                .service(web::resource("/events/{id}").get(history::event).default_service(only("GET")))
                .service(web::resource("/poll").get(poll).default_service(only("GET")))
                .service(
                    web::resource("/sse")
                        .get(sse::sse)
                        .route(web::head().to(sse::sse_head))
                        .default_service(only("GET, HEAD")),
                )
                .service(web::resource("/ws").get(ws).default_service(only("GET")))
                .service(
                    web::resource("/sessions/{session}/rooms")
                        .patch(sessions::change)
                        .put(sessions::replace)
                        .default_service(only("PATCH, PUT")),
                ),
        )
        .service(web::resource("/healthz").get(health::live).default_service(only("GET")))
        .service(web::resource("/readyz").get(health::ready).default_service(only("GET")))
        .service(web::redirect("/report", "/report/"))
        .service(
            web::resource(["/report/", "/report/{file}"]).get(report::report).default_service(only("GET")),
        )
        .default_service(web::route().to(not_found));
}

fn only(allowed: &'static str) -> actix_web::Route {
    web::route().to(wrong_method(allowed))
}
