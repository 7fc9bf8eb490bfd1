//! OpenMetrics turned into the older text format of Prometheus (version 0.0.4), which most tools read.
//!
//! The samples are the same. The older format names a counter by its sample, `…_total`, knows neither `info` nor units,
//! and ends without a mark.

/// Turns one page.
pub(super) fn text(page: &str) -> String {
    let suffixes: Vec<(&str, &str)> = page.lines().filter_map(suffix).collect();
    let suffix_of = |name| suffixes.iter().find(|(known, _)| *known == name).map_or("", |(_, suffix)| suffix);
    let mut text = String::with_capacity(page.len());
    for line in page.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            text.push_str(&format!("{line}\n"));
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(word), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let rest = if word == "TYPE" && rest == "info" { "gauge" } else { rest };
        if word != "UNIT" {
            text.push_str(&format!("# {word} {name}{} {rest}\n", suffix_of(name)));
        }
    }
    text
}

/// What the samples of a metric have behind its name, where that is not the name alone.
fn suffix(line: &str) -> Option<(&str, &'static str)> {
    let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
    match kind {
        "counter" => Some((name, "_total")),
        "info" => Some((name, "_info")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::page;
    use super::*;

    #[test]
    fn golden_text() {
        let page = "# HELP a_b Done.\n# TYPE a_b counter\na_b_total{n=\"x\"} 1\n# HELP c_seconds Long.\n# TYPE c_seconds gauge\n\
                    # UNIT c_seconds seconds\nc_seconds 1.5\n# HELP d What.\n# TYPE d info\nd_info{v=\"1\"} 1\n# EOF\n";
        let expected = "# HELP a_b_total Done.\n# TYPE a_b_total counter\na_b_total{n=\"x\"} 1\n# HELP c_seconds Long.\n\
                        # TYPE c_seconds gauge\nc_seconds 1.5\n# HELP d_info What.\n# TYPE d_info gauge\nd_info{v=\"1\"} 1\n";
        assert_eq!(text(page), expected);
    }

    /// Every sample of the page is there, under the name that its `TYPE` gives.
    #[test]
    fn samples_stay() {
        let page = page::text(page::tests::sample()).unwrap();
        let older = text(&page);
        let samples = |text: &str| {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(samples(&older), samples(&page));
        for sample in samples(&older) {
            let name = sample.split(['{', ' ']).next().unwrap();
            assert!(older.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }
}
