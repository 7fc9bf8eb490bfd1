//! Names and their grammar. A value of these types has been checked; nothing behind them checks again.

use std::fmt;
use std::sync::Arc;

/// Why a text is not a name. The message names what was expected, not the text, which may be hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameError {
    what: &'static str,
    grammar: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a {}: expected {}", self.what, self.grammar)
    }
}

impl std::error::Error for NameError {}

/// Declares a checked name that is cheap to clone.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $grammar:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the grammar and takes the text.
            ///
            /// # Errors
            /// [`NameError`], which tells the grammar.
            pub fn new(text: &str) -> Result<Self, NameError> {
                let check: fn(&[u8]) -> bool = $check;
                if check(text.as_bytes()) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(NameError { what: $what, grammar: $grammar })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

/// A first character and a rest, each by its own rule, within a length.
fn first_and_rest(text: &[u8], max: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    match text.split_first() {
        Some((head, tail)) => text.len() <= max && first(*head) && tail.iter().all(|byte| rest(*byte)),
        None => false,
    }
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

name!(
    /// A separate feed with its own log.
    Namespace,
    "namespace",
    "[a-z0-9][a-z0-9_-]{0,63}",
    |text| first_and_rest(text, 64, lower_or_digit, |b| lower_or_digit(b) || b == b'_' || b == b'-')
);

name!(
    /// A named audience inside a namespace.
    Room,
    "room",
    "[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}",
    |text| first_and_rest(
        text,
        128,
        |b| b.is_ascii_alphanumeric(),
        |b| b.is_ascii_alphanumeric() || b"._:@-".contains(&b)
    )
);

name!(
    /// What kind of thing happened, for example `order.shipped`.
    EventType,
    "type",
    "[a-z0-9][a-z0-9._-]{0,63}",
    |text| first_and_rest(text, 64, lower_or_digit, |b| lower_or_digit(b) || b"._-".contains(&b))
);

name!(
    /// Events with the same key replace one another for a consumer that is too slow for all of them.
    ConflationKey,
    "key",
    "1 to 128 characters without control characters",
    |text| {
        // A key travels inside JSON, so any text will do; control characters would only hide in logs.
        !text.is_empty()
            && text.len() <= 512
            && std::str::from_utf8(text).is_ok_and(|t| t.chars().count() <= 128 && !t.chars().any(char::is_control))
    }
);

name!(
    /// A subscriber's name for tools and logs; it changes nothing else.
    Label,
    "label",
    "[A-Za-z0-9._:-]{1,64}",
    |text| first_and_rest(text, 64, label_byte, label_byte)
);

fn label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:-".contains(&byte)
}

impl EventType {
    /// The type of an event whose publisher gave none.
    #[must_use]
    pub fn message() -> Self {
        Self(Arc::from("message"))
    }

    /// The server's own type that tells that a session came into a room.
    #[must_use]
    pub fn join() -> Self {
        Self(Arc::from("tricast.join"))
    }

    /// The server's own type that tells that a session left a room.
    #[must_use]
    pub fn leave() -> Self {
        Self(Arc::from("tricast.leave"))
    }
}

/// One client's continued presence: 128 random bits, drawn by the server, so that it cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u128);

impl fmt::Debug for SessionId {
    /// Shows a part only: whoever knows the whole may go on with the session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:08x}…)", self.0 >> 96)
    }
}

/// A session's public name: it tells sessions apart and addresses them, and nobody can go on with a session by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member(pub u128);

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({:032x})", self.0)
    }
}

/// A set of rooms: sorted, without duplicates, shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RoomSet(Arc<[Room]>);

impl RoomSet {
    /// Makes a set of any rooms.
    #[must_use]
    pub fn new(mut rooms: Vec<Room>) -> Self {
        rooms.sort_unstable();
        rooms.dedup();
        Self(Arc::from(rooms))
    }

    /// The rooms in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Room> {
        self.0.iter()
    }

    /// How many rooms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the room is in the set.
    #[must_use]
    pub fn contains(&self, room: &Room) -> bool {
        self.0.binary_search(room).is_ok()
    }

    /// This set with some rooms more and some less; a room in both lists is left.
    #[must_use]
    pub fn changed(&self, join: &[Room], leave: &[Room]) -> Self {
        let kept = self.0.iter().chain(join).filter(|room| !leave.contains(room));
        Self::new(kept.cloned().collect())
    }
}

impl<'a> IntoIterator for &'a RoomSet {
    type Item = &'a Room;
    type IntoIter = std::slice::Iter<'a, Room>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(made: &Result<impl Sized, NameError>, expected: bool, text: &str) {
        assert_eq!(made.is_ok(), expected, "{text:?}");
    }

    #[test]
    fn namespace_grammar() {
        for good in ["default", "a", "0-_", &"x".repeat(64)] {
            check(&Namespace::new(good), true, good);
        }
        for bad in ["", "-a", "_a", "A", "a.b", "a b", "a\n", "é", &"x".repeat(65)] {
            check(&Namespace::new(bad), false, bad);
        }
    }

    #[test]
    fn room_grammar() {
        for good in ["room-123", "User:7@x.y", &"r".repeat(128)] {
            check(&Room::new(good), true, good);
        }
        for bad in ["", ".a", "a,b", "a/b", "a\0", &"r".repeat(129)] {
            check(&Room::new(bad), false, bad);
        }
    }

    #[test]
    fn type_label_and_key_grammar() {
        check(&EventType::new("order.shipped_v-2"), true, "type");
        check(&EventType::new("Order"), false, "type");
        check(&Label::new("lane-1.a:b"), true, "label");
        check(&Label::new("a b"), false, "label");
        check(&ConflationKey::new("clé 42"), true, "key");
        check(&ConflationKey::new("a\r\nb"), false, "key");
        check(&ConflationKey::new(&"é".repeat(128)), true, "key");
        check(&ConflationKey::new(&"é".repeat(129)), false, "key");
    }

    #[test]
    fn a_room_set_is_a_set() {
        let room = |text: &str| Room::new(text).unwrap();
        let set = RoomSet::new(vec![room("b"), room("a"), room("b")]);
        assert_eq!(set.len(), 2);
        assert!(set.contains(&room("a")) && !set.contains(&room("c")));
        let changed = set.changed(&[room("c"), room("d")], &[room("a"), room("d")]);
        assert_eq!(changed, RoomSet::new(vec![room("b"), room("c")]));
    }

    #[test]
    fn a_session_does_not_leak_into_logs() {
        let shown = format!("{:?}", SessionId(u128::MAX));
        assert_eq!(shown, "SessionId(ffffffff…)");
    }
}
