//! The words of the page, in English and French, and which of the two a visitor gets.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::HttpRequest;
use actix_web::http::header;

/// The cookie that keeps a choice made by `?lang=`.
pub(super) const COOKIE: &str = "tricast_lang";

static ENGLISH: LazyLock<Texts> =
    LazyLock::new(|| Texts::read(include_str!("../../../../static/locales/en.json")));
static FRENCH: LazyLock<Texts> =
    LazyLock::new(|| Texts::read(include_str!("../../../../static/locales/fr.json")));

/// A language that the page speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// English, also where nothing else is asked for.
    English,
    /// French.
    French,
}

impl Language {
    /// The language tag, for `lang=` and the name of the file of texts.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// Reads the start of a language tag: `fr-CA` is French.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split('-').next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("fr") {
            Some(Self::French)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::English)
        } else {
            None
        }
    }

    /// The texts in this language.
    pub(super) fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::French => &FRENCH,
        }
    }
}

/// What a request says about its language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The language to answer in.
    pub(super) language: Language,
    /// It was named in the address and is worth keeping.
    pub(super) explicit: bool,
}

/// Chooses by `?lang=`, then by cookie, then by `Accept-Language`.
pub(super) fn choose(request: &HttpRequest, wanted: Option<&str>) -> Choice {
    if let Some(language) = wanted.and_then(Language::of_tag) {
        return Choice { language, explicit: true };
    }
    let language = kept(request).or_else(|| accepted(request)).unwrap_or(Language::English);
    Choice { language, explicit: false }
}

fn kept(request: &HttpRequest) -> Option<Language> {
    let cookies = request.headers().get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .and_then(|(_, tag)| Language::of_tag(tag))
}

fn accepted(request: &HttpRequest) -> Option<Language> {
    let header = request.headers().get(header::ACCEPT_LANGUAGE)?;
    preferred(header.to_str().ok()?)
}

/// The language with the highest weight; the first of equals (RFC 9110, section 12.5.4).
fn preferred(accept: &str) -> Option<Language> {
    let mut best: Option<(Language, f32)> = None;
    for entry in accept.split(',') {
        let (tag, weight) = entry.split_once(";q=").unwrap_or((entry, "1"));
        let weight: f32 = weight.trim().parse().unwrap_or(0.0);
        let known = Language::of_tag(tag).filter(|_| weight > 0.0);
        if let Some(language) = known
            && best.is_none_or(|(_, most)| weight > most)
        {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

/// One language's texts, by key.
#[derive(Debug)]
pub(super) struct Texts(BTreeMap<String, String>);

impl Texts {
    fn read(json: &str) -> Self {
        Self(serde_json::from_str(json).expect("the texts are part of the program and a test reads them"))
    }

    /// The text under a key; the key itself where there is none, which a test rules out.
    pub(super) fn of<'a>(&'a self, key: &'a str) -> &'a str {
        self.0.get(key).map_or(key, String::as_str)
    }

    /// Every key, sorted.
    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_weight_wins_and_unknown_languages_do_not() {
        let check = |accept, expected| assert_eq!(preferred(accept), expected, "{accept}");
        check("fr", Some(Language::French));
        check("en-GB,fr;q=0.9", Some(Language::English));
        check("de, fr-CA;q=0.8, en;q=0.7", Some(Language::French));
        check("en;q=0.2, fr;q=0.3", Some(Language::French));
        check("fr;q=0, de", None);
        check("fr;q=a lot", None);
        check("", None);
    }
}
