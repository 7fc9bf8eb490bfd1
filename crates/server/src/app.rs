//! The routes.

use actix_web::web::{self, ServiceConfig};

use crate::problem::{not_found, wrong_method};
use crate::transport::{poll::poll, sse, ws::ws};
use crate::{admin, balance, docs, health, history, metrics, presence, publish, report, sessions};

/// Everything that `serve` answers.
pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(
            web::scope("/v1/feeds/{namespace}")
                // First those that are asked for most: routes are tried in order.
                .service(web::resource("/poll").get(poll).default_service(only("GET")))
                .service(
                    web::resource("/sse")
                        .get(sse::sse)
                        .route(web::head().to(sse::sse_head))
                        .default_service(only("GET, HEAD")),
                )
                .service(web::resource("/ws").get(ws).default_service(only("GET")))
                .service(web::resource("").get(history::state).default_service(only("GET")))
                .service(
                    web::resource("/events")
                        .get(history::page)
                        .post(publish::publish)
                        .default_service(only("GET, POST")),
                )
                .service(web::resource("/presence").get(presence::presence).default_service(only("GET")))
                .service(web::resource("/balance").get(balance::balance).default_service(only("GET")))
                .service(web::resource("/events/{id}").get(history::event).default_service(only("GET")))
                .service(
                    web::resource("/sessions/{session}/rooms")
                        .patch(sessions::change)
                        .put(sessions::replace)
                        .default_service(only("PATCH, PUT")),
                ),
        )
        .configure(admin::configure)
        .service(
            web::resource("/healthz")
                .get(health::live)
                .route(web::head().to(health::live))
                .default_service(only("GET, HEAD")),
        )
        .service(
            web::resource("/readyz")
                .get(health::ready)
                .route(web::head().to(health::ready))
                .default_service(only("GET, HEAD")),
        )
        .service(
            web::resource("/metrics")
                .get(metrics::metrics)
                .route(web::head().to(metrics::metrics))
                .default_service(only("GET, HEAD")),
        )
        .service(
            web::resource("/docs/protocol")
                .get(docs::reasons)
                .route(web::head().to(docs::reasons))
                .default_service(only("GET, HEAD")),
        )
        .service(web::redirect("/report", "/report/"))
        .service(
            web::resource(["/report/", "/report/{file}"]).get(report::report).default_service(only("GET")),
        )
        .default_service(web::route().to(not_found));
}

fn only(allowed: &'static str) -> actix_web::Route {
    web::route().to(wrong_method(allowed))
}
