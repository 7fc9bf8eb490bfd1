//! The demo page and the console: HTML that is rendered on the server, and the files that it loads.
//!
//! Both are clients like any other: they read what the server tells over its public protocol. Nothing in this module
//! knows of the hub or of a transport. `tricast serve` registers the console, and not the demo page.
//!
//! Start reading at [`configure`]; [`page`] and [`console`] render, [`assets`] serves files, [`lean`] makes them small,
//! [`language`] chooses the words.

mod assets;
mod console;
mod language;
mod lean;
mod page;

use actix_web::web;

/// Registers `/`, the demo page.
pub(crate) fn configure_demo(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/").route(web::get().to(page::show)).route(web::head().to(page::show)));
}

/// Registers `/admin`, `/favicon.ico` and everything under `/static/`.
pub(crate) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/admin").route(web::get().to(console::show)).route(web::head().to(console::show)),
    )
    .service(web::redirect("/admin/", "/admin"))
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
