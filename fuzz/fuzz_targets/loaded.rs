#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| airtight_hostile::run("loaded", bytes));
