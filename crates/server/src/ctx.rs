//! What every handler is given.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use tricast_feed::Reason;
use tricast_hub::Hub;

use crate::problem::Refusal;
use crate::settings::Settings;

/// This worker's hub, and the settings.
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
