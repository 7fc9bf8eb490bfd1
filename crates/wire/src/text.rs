//! The text of cursors, sessions and times.

use sha2::{Digest as _, Sha256};
use tricast_feed::{Cursor, Epoch, Member, Millis, Offset, SessionId};

use crate::Fault;

/// The longest text of a cursor: 8 characters, a hyphen, 20 digits.
pub const CURSOR_LEN_MAX: usize = 29;

/// Appends `<epoch>-<offset>`.
pub fn push_cursor(out: &mut Vec<u8>, cursor: Cursor) {
    out.extend_from_slice(cursor.epoch.as_bytes());
    out.push(b'-');
    push_decimal(out, cursor.offset.0);
}

/// Appends a number in decimal.
pub fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut place = digits.len();
    loop {
        place -= 1;
        digits[place] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[place..]);
}

/// `<epoch>-<offset>`.
#[must_use]
pub fn cursor(cursor: Cursor) -> String {
    format!("{}-{}", cursor.epoch, cursor.offset)
}

/// Reads a cursor. Exactly one text stands for each cursor: no sign, no leading zero.
///
/// # Errors
/// A [`Fault`] that tells the grammar; the caller names the field.
pub fn parse_cursor(text: &str) -> Result<Cursor, Fault> {
    let parsed = text.split_once('-').and_then(|(epoch, offset)| {
        let epoch = Epoch::new(epoch.as_bytes()).ok()?;
        let canonical =
            offset.bytes().all(|byte| byte.is_ascii_digit()) && (offset == "0" || !offset.starts_with('0'));
        let offset = offset.parse().ok().filter(|_| canonical)?;
        Some(Cursor { epoch, offset: Offset(offset) })
    });
    parsed.ok_or_else(|| {
        Fault::new(
            tricast_feed::Reason::BadRequest,
            "not a cursor: expected <epoch>-<offset>, such as k3f4a2bq-1042",
        )
    })
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `s_` and 22 characters of base64url (RFC 4648, section 5): 128 bits, low end first.
#[must_use]
pub fn session(session: SessionId) -> String {
    name_of_bits("s_", session.0)
}

/// `p_` and 22 characters: the public name of a session.
#[must_use]
pub fn member(member: Member) -> String {
    name_of_bits("p_", member.0)
}

/// The public name that belongs to a session: half of the SHA-256 (FIPS 180-4) of its own. The session's name is random,
/// so nobody finds it from the public one.
#[must_use]
pub fn member_of(session: SessionId) -> Member {
    let digest = Sha256::digest(session.0.to_le_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    Member(u128::from_le_bytes(half))
}

fn name_of_bits(prefix: &str, mut bits: u128) -> String {
    let mut text = String::with_capacity(24);
    text.push_str(prefix);
    for _ in 0..22 {
        text.push(char::from(BASE64URL[(bits & 63) as usize]));
        bits >>= 6;
    }
    text
}

/// Reads a session's name.
///
/// # Errors
/// A [`Fault`] that tells the grammar; the caller names the field.
pub fn parse_session(text: &str) -> Result<SessionId, Fault> {
    bits_of_name("s_", text).map(SessionId).ok_or_else(|| {
        Fault::new(tricast_feed::Reason::BadRequest, "not a session: expected s_ and 22 characters")
    })
}

/// Reads whom an event is addressed to: a session's public name, or its own.
///
/// # Errors
/// A [`Fault`] that tells the grammar; the caller names the field.
pub fn parse_member(text: &str) -> Result<Member, Fault> {
    let own = || bits_of_name("s_", text).map(|bits| member_of(SessionId(bits)));
    bits_of_name("p_", text).map(Member).or_else(own).ok_or_else(|| {
        Fault::new(tricast_feed::Reason::BadRequest, "not a session: expected p_ or s_ and 22 characters")
    })
}

fn bits_of_name(prefix: &str, text: &str) -> Option<u128> {
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == 22)?;
    let mut bits = 0_u128;
    for (place, byte) in digits.bytes().enumerate() {
        let value = BASE64URL.iter().position(|digit| *digit == byte)? as u128;
        // The last digit has room for two bits only.
        if place == 21 && value > 3 {
            return None;
        }
        bits |= value << (6 * place);
    }
    Some(bits)
}

/// Appends UTC in milliseconds, for example `2026-11-22T13:20:11.042Z` (RFC 3339).
pub fn push_time(out: &mut Vec<u8>, time: Millis) {
    let (seconds, millis) = (time.0 / 1000, time.0 % 1000);
    let (year, month, day) = civil_from_days(seconds / 86_400);
    let of_day = seconds % 86_400;
    push_padded(out, year, 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
    out.push(b'T');
    push_padded(out, of_day / 3600, 2);
    out.push(b':');
    push_padded(out, of_day / 60 % 60, 2);
    out.push(b':');
    push_padded(out, of_day % 60, 2);
    out.push(b'.');
    push_padded(out, millis, 3);
    out.push(b'Z');
}

/// UTC in milliseconds as text.
#[must_use]
pub fn time(time: Millis) -> String {
    let mut out = Vec::with_capacity(24);
    push_time(&mut out, time);
    String::from_utf8(out).unwrap_or_default()
}

fn push_padded(out: &mut Vec<u8>, number: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10_u64.pow(place) % 10) as u8);
    }
}

/// Year, month and day of a count of days since 1970-01-01 in the Gregorian calendar. A year is counted from March,
/// so that the leap day is its last.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_of_known_days() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_793_280_011_042, "2026-10-29T13:20:11.042Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(time(Millis(millis)), expected);
        }
    }

    #[test]
    fn what_is_no_cursor() {
        for bad in [
            "",
            "-",
            "aaaaaaaa",
            "aaaaaaaa-",
            "aaaaaaaa--1",
            "aaaaaaaa-+1",
            "aaaaaaaa-01",
            "aaaaaaaa-1 ",
            "AAAAAAAA-1",
            "aaaaaaaa-18446744073709551616",
            "aaaaaaaa-1-1",
            "aaaaaaa1-1",
            "é-1",
        ] {
            assert!(parse_cursor(bad).is_err(), "{bad:?}");
        }
        assert!(parse_cursor("aaaaaaaa-18446744073709551615").is_ok());
    }

    #[test]
    fn what_is_no_session() {
        for bad in
            ["", "s_", "s_aaaaaaaaaaaaaaaaaaaaa", "s_aaaaaaaaaaaaaaaaaaaaaa", "x_AAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert!(parse_session(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn cursors_and_sessions_round_trip(bits in any::<u64>(), offset in any::<u64>(), name in any::<u128>()) {
            let place = Cursor { epoch: Epoch::from_random(bits), offset: Offset(offset) };
            let shown = cursor(place);
            prop_assert!(shown.len() <= CURSOR_LEN_MAX);
            prop_assert_eq!(parse_cursor(&shown), Ok(place));
            let mut pushed = Vec::new();
            push_cursor(&mut pushed, place);
            prop_assert_eq!(pushed, shown.into_bytes());
            prop_assert_eq!(parse_session(&session(SessionId(name))), Ok(SessionId(name)));
        }
    }
}
