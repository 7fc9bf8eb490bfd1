//! Whether the process lives, and whether it is fit for traffic.

use actix_web::HttpResponse;
use tricast_feed::Reason;
use tricast_hub::Health;

use crate::ctx::Ctx;
use crate::problem::Refusal;

/// `GET /healthz`.
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).body("ok\n")
}

/// `GET /readyz`.
pub(crate) async fn ready(ctx: Ctx) -> Result<HttpResponse, Refusal> {
    let shared = ctx.hub.shared();
    if shared.is_draining() {
        return Err(Refusal::new(Reason::Draining, "the server stops"));
    }
    match shared.engine.health() {
        Health::Ready => Ok(live().await),
        Health::Away(why) => Err(Refusal::new(Reason::Degraded, why)),
    }
}
