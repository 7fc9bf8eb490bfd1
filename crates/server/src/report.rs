//! The newest comparison report, as the lab left it.

use std::path::{Path, PathBuf};

use actix_web::{HttpRequest, HttpResponse, web};
use tricast_feed::Reason;

use crate::ctx::Ctx;
use crate::problem::Refusal;

/// A report is one page that loads nothing; its styles and its few lines of script stand in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// The files of a run that are shown, with their types.
const FILES: [(&str, &str); 7] = [
    ("report.html", "text/html; charset=utf-8"),
    ("report.fr.html", "text/html; charset=utf-8"),
    ("report.md", "text/markdown; charset=utf-8"),
    ("report.fr.md", "text/markdown; charset=utf-8"),
    ("run.json", "application/json"),
    ("figures.csv", "text/csv; charset=utf-8"),
    ("visits.csv", "text/csv; charset=utf-8"),
];

/// `GET /report/` and `GET /report/{file}`.
pub(crate) async fn report(request: HttpRequest, ctx: Ctx) -> Result<HttpResponse, Refusal> {
    let name = request.match_info().get("file").filter(|name| !name.is_empty()).unwrap_or("report.html");
    let found = FILES.iter().find(|(file, _)| *file == name);
    let (file, media_type) = found.ok_or_else(|| missing(format!("file: {name} is not part of a report")))?;
    let dir = ctx.settings.report_dir.clone();
    let read = web::block(move || newest(&dir).and_then(|run| std::fs::read(run.join(file)))).await;
    let body = read.map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?.map_err(|_| {
        missing(format!(
            "there is no report yet: run `make bench` (report.dir is {})",
            ctx.settings.report_dir.display()
        ))
    })?;
    Ok(HttpResponse::Ok()
        .content_type(*media_type)
        .insert_header(("cache-control", "no-cache"))
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(body))
}

fn missing(detail: String) -> Refusal {
    Refusal::new(Reason::NotFound, detail)
}

/// Whether there is a report to be shown.
pub(crate) fn is_there(dir: &Path) -> bool {
    newest(dir).is_ok_and(|run| run.join("report.html").is_file())
}

/// The folder of the newest run: `latest`, or the last by name, since names begin with the time.
fn newest(dir: &Path) -> std::io::Result<PathBuf> {
    let latest = dir.join("latest");
    if latest.is_dir() {
        return Ok(latest);
    }
    let runs = std::fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    runs.filter(|run| run.join("report.html").is_file())
        .max()
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "no run"))
}
