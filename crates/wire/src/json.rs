//! What makes a JSON value fit to be sent on: one line, no deeper than all parsers can follow, text that all agree on.

use crate::Fault;

/// Takes the white space out of a valid JSON text and checks what validity leaves open.
///
/// `text` must already be one valid JSON value; this function trusts that and looks only at what differs between
/// parsers. Numbers, order and duplicates stay as they were written.
///
/// # Errors
/// A [`Fault`] without a field for nesting deeper than `depth_max` or an unpaired surrogate escape (RFC 7493,
/// section 2.1).
pub fn compact(text: &str, depth_max: usize) -> Result<Vec<u8>, Fault> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut depth = 0_usize;
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => place += 1,
            b'"' => {
                let end = string_end(bytes, place)?;
                out.extend_from_slice(&bytes[place..end]);
                place = end;
            }
            _ => {
                depth = match byte {
                    b'[' | b'{' => depth + 1,
                    b']' | b'}' => depth.saturating_sub(1),
                    _ => depth,
                };
                if depth > depth_max {
                    return Err(bad(&format!("nested deeper than {depth_max}")));
                }
                out.push(*byte);
                place += 1;
            }
        }
    }
    Ok(out)
}

fn bad(detail: &str) -> Fault {
    Fault::new(tricast_feed::Reason::BadRequest, detail)
}

/// The place after the closing quote of the string that opens at `start`.
fn string_end(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let mut place = start + 1;
    loop {
        let Some(step) = memchr::memchr2(b'"', b'\\', &bytes[place..]) else {
            return Err(bad("a string has no end"));
        };
        place += step;
        if bytes[place] == b'"' {
            return Ok(place + 1);
        }
        place = escape_end(bytes, place)?;
    }
}

/// The place after the escape, or the pair of surrogate escapes, that opens at `start`.
fn escape_end(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    if bytes.get(start + 1) != Some(&b'u') {
        return Ok(start + 2);
    }
    let unit = hex4(bytes, start + 2);
    match unit {
        Some(0xD800..=0xDBFF) => {
            let paired = bytes.get(start + 6) == Some(&b'\\')
                && bytes.get(start + 7) == Some(&b'u')
                && matches!(hex4(bytes, start + 8), Some(0xDC00..=0xDFFF));
            if paired { Ok(start + 12) } else { Err(bad("a surrogate escape without its pair")) }
        }
        Some(0xDC00..=0xDFFF) | None => Err(bad("a surrogate escape without its pair")),
        Some(_) => Ok(start + 6),
    }
}

fn hex4(bytes: &[u8], start: usize) -> Option<u16> {
    let digits = std::str::from_utf8(bytes.get(start..start + 4)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

/// Appends a text as a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing into a Vec cannot fail, and a str is always a JSON string.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        serde_json::from_str::<&serde_json::value::RawValue>(text).expect("the test's own text is JSON");
        assert_eq!(compact(text, 8).map(|out| String::from_utf8(out).unwrap()).as_deref(), Ok(expected));
    }

    #[test]
    fn only_white_space_goes() {
        check(" { \"a b\" :\r\n [ 1 , 2e400 ,\t\"x\\n\\\" y\" ] } ", "{\"a b\":[1,2e400,\"x\\n\\\" y\"]}");
        check("1.10", "1.10");
        check("\"\\ud83d\\ude00 \u{2028}\"", "\"\\ud83d\\ude00 \u{2028}\"");
        check("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}");
    }

    #[test]
    fn what_parsers_disagree_on_is_refused() {
        for bad in ["\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\ud83dx\"", "{\"\\ud800\":1}"] {
            assert!(compact(bad, 8).is_err(), "{bad}");
        }
        assert!(compact(&("[".repeat(9) + &"]".repeat(9)), 8).is_err());
        assert!(compact(&("[".repeat(8) + &"]".repeat(8)), 8).is_ok());
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_compact_text_means_the_same(value in value()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let out = compact(&pretty, 64).unwrap();
            prop_assert!(!out.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            prop_assert_eq!(&out, &serde_json::to_vec(&value).unwrap());
        }
    }
}
