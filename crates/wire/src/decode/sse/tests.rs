//! The standard's own examples, hostile streams, and: the pieces in which bytes come change nothing.

use proptest::prelude::*;

use super::*;

fn event(name: &str, data: &str, id: &str) -> SseItem {
    SseItem::Event(SseEvent { name: name.to_owned(), data: data.to_owned(), id: id.to_owned() })
}

/// Everything that the pieces hold, and whether the limit was passed.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit_bytes: usize) -> (Vec<SseItem>, bool) {
    let mut items = Vec::new();
    let mut decoder = SseDecoder::new(limit_bytes);
    let failed = pieces.into_iter().any(|piece| decoder.push(piece, &mut |item| items.push(item)).is_err());
    (items, failed)
}

fn check(stream: impl AsRef<[u8]>, expected: &[SseItem]) {
    let stream = stream.as_ref();
    assert_eq!(
        read([stream], 1024),
        (expected.to_vec(), false),
        "{:?} at once",
        stream.escape_ascii().to_string()
    );
    let (items, _) = read(stream.chunks(1), 1024);
    assert_eq!(items, expected, "{:?} byte by byte", stream.escape_ascii().to_string());
}

#[test]
fn examples_of_the_standard() {
    check("data: YHOO\ndata: +2\ndata: 10\n\n", &[event("", "YHOO\n+2\n10", "")]);
    check(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        &[event("", "first event", "1"), event("", "second event", ""), event("", " third event", "")],
    );
    check("data\n\ndata\ndata\n\ndata:", &[event("", "", ""), event("", "\n", "")]);
    check("data:test\n\ndata: test\n\n", &[event("", "test", ""), event("", "test", "")]);
    check(
        "event: add\ndata: 7\n\nevent: remove\ndata: 2\n\n",
        &[event("add", "7", ""), event("remove", "2", "")],
    );
}

#[test]
fn every_line_end_ends_a_line() {
    for end in ["\n", "\r", "\r\n"] {
        check(format!("event: a{end}data: 1{end}data: 2{end}{end}"), &[event("a", "1\n2", "")]);
    }
    check(
        "data: 1\r\n\r\ndata: 2\r\rdata: 3\n\n",
        &[event("", "1", ""), event("", "2", ""), event("", "3", "")],
    );
    check("data: 1\r\ndata: 2\n\r", &[event("", "1\n2", "")]);
}

#[test]
fn one_byte_order_mark_is_skipped() {
    check(b"\xef\xbb\xbfdata: 1\n\n", &[event("", "1", "")]);
    check(b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\n", &[]);
    check(b"\n\xef\xbb\xbfdata: 1\n\n", &[]);
}

#[test]
fn an_id_outlives_its_event_and_nul_makes_it_void() {
    check("id: 1\n\ndata: a\n\n", &[event("", "a", "1")]);
    check("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", &[event("", "a", "1"), event("", "b", "1")]);
}

#[test]
fn a_name_does_not_outlive_its_event() {
    check("event: a\n\ndata: 1\n\n", &[event("", "1", "")]);
}

#[test]
fn retry_is_digits_alone() {
    check("retry: 1500\n\n", &[SseItem::Retry(1500)]);
    check("retry: 1s\nretry: -1\nretry:\nretry: +1\nretry: 99999999999999999999\n\n", &[]);
}

#[test]
fn unknown_and_look_alike_fields_are_ignored() {
    check("Data: a\n data: b\ndata : c\n\u{feff}data: d\nx\ndata: e\n\n", &[event("", "e", "")]);
}

#[test]
fn text_that_is_not_utf8_is_replaced() {
    check(b"data: \xff\n\n", &[event("", "\u{fffd}", "")]);
}

#[test]
fn an_event_that_is_not_complete_is_none() {
    check("data: 1\n\ndata: 2\n", &[event("", "1", "")]);
}

#[test]
fn the_limit_bounds_lines_and_data_and_lasts() {
    let (items, failed) = read([&b"data: 1\n\ndata: 1234567890\n\n"[..]], 15);
    assert_eq!((items, failed), (vec![event("", "1", "")], true));
    assert!(read([&b"data: 1\ndata: 2\ndata: 3\n\n"[..]], 8).0.len() == 1);
    assert!(read([&b"data: 1\ndata: 2\ndata: 3\ndata: 4\ndata: 5\n\n"[..]], 8).1, "data of many lines");
    let mut decoder = SseDecoder::new(8);
    assert!(decoder.push(b": a very long comment", &mut |_| ()).is_err());
    assert_eq!(decoder.push(b"\n\ndata: 1\n\n", &mut |_| panic!("went on")), Err(TooLong { limit_bytes: 8 }));
}

/// Streams made of the bytes that matter, so that borders fall everywhere.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"\r"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\n\n"[..]),
        Just(&b"data: "[..]),
        Just(&b"data"[..]),
        Just(&b"event:"[..]),
        Just(&b"id: 7"[..]),
        Just(&b"retry: 10"[..]),
        Just(&b":"[..]),
        Just(&b"\xef\xbb\xbf"[..]),
        Just(&b"\xc3\xa9"[..]),
        Just(&b"\0"[..]),
        Just(&b"{\"id\":\"k3f4a2bq-1\"}"[..]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The same bytes cut at these places.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    ends.extend([0, bytes.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(
        bytes in stream(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        limit_bytes in 4_usize..200,
    ) {
        let pieces = cut(&bytes, &places);
        prop_assert_eq!(pieces.concat(), bytes.clone());
        prop_assert_eq!(read(pieces, limit_bytes), read([bytes.as_slice()], limit_bytes));
    }

    #[test]
    fn data_of_any_lines_comes_back(lines in prop::collection::vec("[^\r\n]{0,20}", 1..6)) {
        let text: String = lines.iter().map(|line| format!("data: {line}\n")).collect::<String>() + "\n";
        prop_assert_eq!(read([text.as_bytes()], 4096), (vec![event("", &lines.join("\n"), "")], false));
    }
}
