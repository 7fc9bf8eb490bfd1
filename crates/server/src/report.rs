//! The newest comparison report, as the lab left it; until there is one, the project's sample, which says so.

use std::path::{Path, PathBuf};

use actix_web::{HttpRequest, HttpResponse, web};
use tricast_feed::Reason;

use crate::ctx::Ctx;
use crate::problem::Refusal;

/// A report is one page that loads nothing; its styles and its few lines of script stand in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// The sample run's report, by the name of its file.
const SAMPLES: [(&str, &str); 2] = [
    ("report.html", include_str!("../../../docs/report/report.html")),
    ("report.fr.html", include_str!("../../../docs/report/report.fr.html")),
];

/// What stands over the sample, which was not measured here.
const NOT_OURS: [(&str, &str); 2] = [
    (
        "report.html",
        "The project’s sample report, measured on another machine: <code>make bench</code> measures this one.",
    ),
    (
        "report.fr.html",
        "Rapport d’exemple du projet, mesuré sur une autre machine : <code>make bench</code> mesure celle-ci.",
    ),
];

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
    let read = read.map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?.ok();
    let body = read.or_else(|| sample(file).map(String::into_bytes)).ok_or_else(|| {
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

/// The sample's page under its notice; `None` for the other files.
fn sample(file: &str) -> Option<String> {
    let find = |texts: &[(&str, &'static str)]| texts.iter().find(|(name, _)| *name == file).map(|t| t.1);
    let (before, after) = find(&SAMPLES)?.split_once("<body>")?;
    let notice = find(&NOT_OURS)?;
    Some(format!("{before}<body>\n<p class=\"elsewhere\" role=\"note\">{notice}</p>{after}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_says_that_it_is_one() {
        for (file, text) in NOT_OURS {
            let page = sample(file).unwrap();
            let (_, body) = page.split_once("<body>").unwrap();
            assert!(body.trim_start().starts_with(&format!("<p class=\"elsewhere\" role=\"note\">{text}")));
            assert!(page.len() > SAMPLES[0].1.len() / 2);
        }
        assert_eq!(sample("run.json"), None);
    }
}
