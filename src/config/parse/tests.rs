//! The parser as a whole: defaults, refusals, doubts.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::value::{DURATION_FORMS, ORIGINAL_DURATION_FORMS};
use crate::config::{Config, ConfigError, Fallback, Warning};
use crate::event::{Event, ModuleKind};

pub(in crate::config) fn parse_isolator(
    parameters: &[(&str, &str)],
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let mut all = vec![("module_name".to_owned(), "test".to_owned())];
    all.extend(parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    Config::parse(ModuleKind::Isolator, &all)
}

pub(in crate::config) fn error(parameters: &[(&str, &str)]) -> String {
    parse_isolator(parameters).expect_err("refused").to_string()
}

#[test]
fn defaults_are_the_documented_ones() {
    let (config, warnings) = parse_isolator(&[]).expect("accepted");
    assert_eq!(warnings, []);
    assert!(config.events.is_empty());
    assert_eq!(config.watch_interval, Duration::from_secs(30));
    assert_eq!(config.cache_ttl, Duration::from_secs(1));
    assert_eq!(config.stale_ttl, Duration::from_secs(120));
    assert_eq!(config.stale_while_revalidate, Duration::ZERO);
    assert_eq!((config.max_parallel, config.lifecycle_parallel), (64, 1));
    assert_eq!(config.max_output_bytes, 1 << 20);
    assert_eq!(config.kill_grace, Duration::from_secs(1));
    assert_eq!(config.state_dir, PathBuf::from("/var/run/mesos/isolators/command"));
    assert!(config.nested && !config.standalone && !config.skip_debug_containers);
    assert!(!config.debug && !config.strict_permissions);
}

#[test]
fn a_configuration_of_the_original_is_read_as_it_read_it() {
    let (config, warnings) = parse_isolator(&[
        ("isolator_prepare_command", "/bin/true"),
        ("isolator_prepare_timeout", "12"),
        ("isolator_usage_command", ""),
        ("isolator_watch_command", "/bin/true --flag"),
        ("isolator_watch_frequence", "5"),
        ("isolator_prepare_timeout", "13"),
        ("debug", "yes"),
    ])
    .expect("accepted");
    let texts: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("'debug' has the value 'yes', which is read as false"), "{texts:?}");
    assert!(!config.debug, "only exactly true turns debug on");
    assert_eq!(config.watch_interval, Duration::from_secs(5));
    let prepare = &config.events[&Event::Prepare];
    assert_eq!(prepare.timeout, Some(Duration::from_secs(13)), "the last duplicate wins");
    assert!(!config.events.contains_key(&Event::Usage), "an empty command handles nothing");
    assert_eq!(config.events[&Event::Watch].timeout, None);
}

#[test]
fn refusals_name_key_value_and_what_is_accepted() {
    assert_eq!(
        error(&[("isolator_usage_command", "/bin/true"), ("isolator_usage_timeout", "soon")]),
        format!(
            "parameter 'isolator_usage_timeout' has the value 'soon': accepted are {ORIGINAL_DURATION_FORMS}"
        )
    );
    assert_eq!(
        error(&[("kill_grace", "soon")]),
        format!("parameter 'kill_grace' has the value 'soon': accepted are {DURATION_FORMS}")
    );
    let zero = [("isolator_usage_command", "/bin/true"), ("isolator_usage_timeout", "0")];
    assert!(error(&zero).contains("must be above 0"));
    assert!(error(&[("stdio", "files")]).ends_with("accepted are capture, inherit, null"));
    assert!(error(&[("max_parallel", "0")]).contains("from 1 to 1024"));
    assert!(error(&[("state_dir", "run")]).contains("absolute"));
    assert!(error(&[("isolator_prepare_failure", "explode")]).contains("fail, ignore"));
    let batch = [("isolator_usage_batch_command", "/bin/true"), ("isolator_usage_cache_ttl", "0")];
    assert!(error(&batch).contains("must be above 0"));
    assert!(error(&[("module_name", "../etc")]).contains("without '/'"));
    let missing = Config::parse(ModuleKind::Hook, &[]).expect_err("no name").to_string();
    assert!(missing.contains("'module_name' is missing"), "{missing}");
    for text in [missing, error(&[("nested", "1")])] {
        assert!(!text.contains('\n'), "one line: {text}");
    }
}

#[test]
fn doubts_are_warnings() {
    let (_, warnings) = parse_isolator(&[
        ("isolator_prepare_command", "/no/such/command"),
        ("isolator_prepare_timeout", "10 seconds"),
        ("isolator_prepare", "/bin/true"),
        ("hook_slave_remove_executor_hook_command", "/bin/true"),
    ])
    .expect("accepted");
    let texts: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].contains("did you mean 'isolator_prepare_command'"), "{texts:?}");
    assert!(texts[1].contains("read as 10 seconds"), "{texts:?}");
    assert!(texts[2].contains("'/no/such/command' does not exist"), "{texts:?}");
}

#[test]
fn worker_mode_is_per_event() {
    let (config, warnings) = parse_isolator(&[
        ("isolator_usage_command", "/bin/true"),
        ("isolator_usage_mode", "worker"),
        ("isolator_usage_workers", "4"),
        ("isolator_usage_fallback", "fail"),
        ("isolator_status_command", "/bin/true"),
        ("isolator_status_mode", "worker"),
        ("isolator_prepare_command", "/bin/true"),
        ("isolator_prepare_workers", "2"),
        ("isolator_prepare_fallback", "fail"),
    ])
    .expect("accepted");
    let workers = |event| config.events[&event].workers();
    assert_eq!(workers(Event::Usage), Some(4));
    assert_eq!(workers(Event::Status), Some(1));
    assert_eq!(workers(Event::Prepare), None);
    let texts: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    for (text, key) in texts.iter().zip(["workers", "fallback"]) {
        let without = "which has no effect without 'isolator_prepare_mode' = 'worker'";
        assert!(text.contains(&format!("'isolator_prepare_{key}'")), "{texts:?}");
        assert!(text.ends_with(without), "{texts:?}");
    }
    let fallback = |event| config.events[&event].fallback;
    assert_eq!(fallback(Event::Usage), Fallback::Fail);
    assert_eq!(fallback(Event::Status), Fallback::Spawn);
    assert!(error(&[("isolator_usage_workers", "65")]).contains("from 1 to 64"));
    assert!(
        error(&[("isolator_usage_mode", "thread")]).ends_with("accepted are spawn, worker, warm")
    );
    assert!(error(&[("isolator_usage_fallback", "no")]).ends_with("accepted are spawn, fail"));
}

#[test]
fn a_shell_script_in_worker_mode_is_doubted() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("tempdir");
    let file = directory.path().join("command");
    let text = file.to_str().expect("utf-8");
    let doubted = |content: &str, mode: &str| {
        std::fs::write(&file, content).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        let parameters = [("isolator_usage_command", text), ("isolator_usage_mode", mode)];
        let (_, warnings) = parse_isolator(&parameters).expect("accepted");
        warnings.iter().any(|warning| warning.to_string().contains("shell script"))
    };
    assert!(doubted("#!/bin/sh\n", "worker"));
    assert!(doubted("#! /usr/bin/env bash\n", "worker"));
    assert!(doubted("#!/bin/dash -e\n", "worker"));
    assert!(!doubted("#!/bin/sh\n", "spawn"));
    assert!(!doubted("#!/usr/bin/python3\n", "worker"));
    assert!(!doubted("#!/usr/bin/env -S python3 -I\n", "worker"));
}
