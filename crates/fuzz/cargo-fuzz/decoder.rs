//! Hands libFuzzer's input to the decoder that `FUZZ_DECODER` names.

#![no_main]

use std::sync::LazyLock;

static DECODER: LazyLock<String> = LazyLock::new(|| std::env::var("FUZZ_DECODER").unwrap_or_default());

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    assert!(tricast_fuzz::run(&DECODER, input), "FUZZ_DECODER must name one of the decoders of tricast-fuzz");
});
