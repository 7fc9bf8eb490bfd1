//! The demo's adviser: the laboratory's, with the rows of the newest run or of the sample.

use std::sync::OnceLock;

use serde_json::value::RawValue;
use tricast_lab::Language;
use tricast_lab::advise::{Question, advise, in_words};
use tricast_lab::result::Run;
use tricast_server::demo::Adviser;

use crate::lab::figures;

/// The run is read when somebody asks first.
#[derive(Default)]
pub(super) struct Measured(OnceLock<Result<Run, String>>);

impl Adviser for Measured {
    fn advise(&self, question: &[u8], language: &str) -> Result<Box<RawValue>, String> {
        let question: Question = serde_json::from_slice(question).map_err(|error| error.to_string())?;
        if let Some(fault) = question.fault() {
            return Err(fault);
        }
        let run = self.0.get_or_init(|| figures(None).map_err(|error| format!("{error:#}")));
        let language = if language == "fr" { Language::French } else { Language::English };
        let words = in_words(&advise(run.as_ref().map_err(Clone::clone)?, &question), language);
        serde_json::value::to_raw_value(&words).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_in_both_languages_and_a_wrong_one_is_named() {
        let measured = Measured::default();
        let ask = |question: &str, language: &str| measured.advise(question.as_bytes(), language);
        let question = r#"{"clients":20000,"rate":0.2,"payload":300,"two_way":"no","proxies":"unknown"}"#;
        let (english, french) = (ask(question, "en").unwrap(), ask(question, "fr").unwrap());
        assert_ne!(english.get(), french.get());
        let answer: serde_json::Value = serde_json::from_str(english.get()).unwrap();
        assert_eq!(answer["options"].as_array().unwrap().len(), 3);
        assert!(!answer["rows"].as_array().unwrap().is_empty());
        assert!(!answer["assumptions"].as_array().unwrap().is_empty());
        assert!(ask(r#"{"clients":0,"rate":1,"payload":1}"#, "en").unwrap_err().contains("`clients` is 0"));
        assert!(ask(r#"{"clients":1,"rate":1,"payload":1,"size":2}"#, "en").unwrap_err().contains("`size`"));
    }
}
