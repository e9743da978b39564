#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tellask_tests::fuzz::ssh_strangers(data));
