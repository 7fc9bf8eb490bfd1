//! The demo page: one HTML page rendered on the server, and the files that it loads.
//!
//! The page is a client like any other: it reads the feed over the public protocol. Nothing in this module knows of
//! the hub or of a transport, and `tricast serve` registers none of it.
//!
//! Start reading at [`configure`]; [`page`] renders, [`assets`] serves files, [`language`] chooses the words.

mod assets;
mod language;
mod page;

use actix_web::web;

/// Registers `/`, `/favicon.ico` and everything under `/static/`.
pub(crate) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/").route(web::get().to(page::show)).route(web::head().to(page::show)))
        .service(
            web::resource("/favicon.ico")
                .route(web::get().to(assets::favicon))
                .route(web::head().to(assets::favicon)),
        )
        .service(
            web::resource("/static/{path:.*}")
                .route(web::get().to(assets::show))
                .route(web::head().to(assets::show)),
        );
}

#[cfg(test)]
mod tests;
