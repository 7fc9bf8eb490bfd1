//! The port to the adviser: which transport for a case, computed by whoever has measured rows.

use serde_json::value::RawValue;

/// Who can advise.
pub trait Adviser: Send + Sync {
    /// Answers a question, a JSON object, in a language, a tag such as `fr`. It may take as long as it takes to read a
    /// stored run, and is not called on a thread that serves others.
    ///
    /// # Errors
    /// What is wrong with the question, by the name of the field.
    fn advise(&self, question: &[u8], language: &str) -> Result<Box<RawValue>, String>;
}
