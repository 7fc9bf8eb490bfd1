//! A notification's `data`: one JSON object of exactly the asked number of bytes.

use std::fmt::Write as _;

use super::tale::Telling;

/// What a `pad` field takes before its first character: `,"pad":""`.
const PAD_FRAME_BYTES: usize = 9;

/// What stands for the cut end of a sentence.
const ELLIPSIS: char = '…';

/// Writes `{"n":…,"at_us":…,"text":"…",…,"pad":"…"}` in `payload_bytes`. Where that is too short for everything, the
/// type's own fields go first, from the last, and then the end of the sentence.
pub(super) fn compose(n: u64, at_us: u64, telling: &Telling, payload_bytes: usize) -> String {
    let start = format!("{{\"n\":{n},\"at_us\":{at_us},\"text\":\"");
    for kept in (0..=telling.fields.len()).rev() {
        let body = whole(&start, telling, kept);
        if let Some(padded) = padded(body, payload_bytes) {
            return padded;
        }
    }
    shortened(start, &telling.text, payload_bytes)
}

/// The object without its closing brace, with the first `kept` fields.
fn whole(start: &str, telling: &Telling, kept: usize) -> String {
    let mut body = format!("{start}{}\"", telling.text);
    for (name, value) in &telling.fields[..kept] {
        // Writing to a string cannot fail.
        let _infallible = write!(body, ",\"{name}\":{value}");
    }
    body
}

/// The object filled up and closed; `None` where what is missing is too little for a `pad`, or the body is too long.
fn padded(mut body: String, payload_bytes: usize) -> Option<String> {
    let missing = payload_bytes.checked_sub(body.len() + 1)?;
    if missing > 0 {
        let filling = missing.checked_sub(PAD_FRAME_BYTES)?;
        body.reserve_exact(missing + 1);
        body.push_str(",\"pad\":\"");
        body.extend(std::iter::repeat_n('.', filling));
        body.push('"');
    }
    body.push('}');
    Some(body)
}

/// The object with as much of the sentence as fits, and full stops for the odd bytes at its end.
fn shortened(start: String, text: &str, payload_bytes: usize) -> String {
    let room = payload_bytes.saturating_sub(start.len() + 2);
    let mut body = start;
    if text.len() <= room {
        body.push_str(text);
    } else if let Some(most) = room.checked_sub(ELLIPSIS.len_utf8()) {
        body.push_str(&text[..text.floor_char_boundary(most)]);
        body.push(ELLIPSIS);
    }
    let missing = payload_bytes.saturating_sub(body.len() + 2);
    body.extend(std::iter::repeat_n('.', missing));
    body.push_str("\"}");
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expected: &str) {
        let fields = vec![("order", json!(42)), ("city", json!("Oslo"))];
        let telling = Telling { text: "Zoë ordered a pie".to_owned(), fields, to_everyone: false };
        assert_eq!(compose(7, 1, &telling, expected.len()), expected);
    }

    #[test]
    fn padding_fills_to_the_byte() {
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a pie","order":42,"city":"Oslo"}"#);
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a pie","order":42,"city":"Oslo","pad":""}"#);
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a pie","order":42,"city":"Oslo","pad":"..."}"#);
    }

    #[test]
    fn too_little_for_all_drops_fields_before_words() {
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a pie","order":42,"pad":"......"}"#);
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a pie","order":42}"#);
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a pie","pad":"..."}"#);
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a pie....."}"#);
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a pie"}"#);
        check(r#"{"n":7,"at_us":1,"text":"Zoë ordered a…"}"#);
        check(r#"{"n":7,"at_us":1,"text":"Zo…."}"#);
        check(r#"{"n":7,"at_us":1,"text":".."}"#);
    }
}
