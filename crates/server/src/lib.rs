//! The actix-web shell: settings, routes, extractors, limits, pages and the three transports
