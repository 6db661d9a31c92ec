#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mesos_command_fuzz::answers(data));
