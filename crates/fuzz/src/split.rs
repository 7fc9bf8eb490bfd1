//! Cuts an input into pieces, as a network does.

/// Pieces that are read one after another. The first byte of the input chooses how it is cut, so that the fuzzer does;
/// the pieces together are the rest of it.
pub(crate) fn pieces(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((choice, whole)) = input.split_first() else { return (&[], Vec::new()) };
    let pieces = match choice % 8 {
        // Byte by byte is what finds most.
        0..4 => whole.chunks(1).collect(),
        4 => whole.chunks(2).collect(),
        5 => whole.chunks(7).collect(),
        _ => {
            let at = whole.len() * usize::from(*choice) / 256;
            vec![&whole[..at], &whole[at..]]
        }
    };
    (whole, pieces)
}

/// The input as text, where it is text.
pub(crate) fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// A first line that chooses, and the rest. Without a line end all is the rest.
pub(crate) fn first_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or(("", text))
}
