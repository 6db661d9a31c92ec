//! What the values of parameters mean: those of ours as written, those of the original as it read
//! them.

use std::time::Duration;

use super::tests::{error, parse_isolator};
use crate::config::{Config, EVENT_PARAMETERS, PARAMETERS, Unset, Warning, keys};
use crate::event::Event;

fn doubts(parameters: &[(&str, &str)]) -> Vec<String> {
    let (_, warnings) = parse_isolator(parameters).expect("accepted");
    let doubtful = |warning: &Warning| matches!(warning, Warning::DoubtfulValue { .. });
    assert!(warnings.iter().all(doubtful), "{warnings:?}");
    warnings.iter().map(Warning::to_string).collect()
}

#[test]
fn every_key_of_ours_means_what_is_written() {
    let (config, warnings) = parse_isolator(&[
        ("isolator_usage_cache_ttl", "0.5s"),
        ("isolator_usage_stale_ttl", "5m"),
        ("isolator_usage_stale_while_revalidate", "1.5"),
        ("kill_grace", "0.5"),
        ("isolator_status_command", "/bin/true"),
        ("isolator_status_timeout", "2m"),
        ("isolator_watch_interval", "1h"),
        ("max_parallel", " 8 "),
        ("nested", " false"),
    ])
    .expect("accepted");
    assert_eq!(warnings, []);
    assert_eq!(config.cache_ttl, Duration::from_millis(500));
    assert_eq!(config.stale_ttl, Duration::from_secs(300));
    assert_eq!(config.stale_while_revalidate, Duration::from_millis(1500));
    assert_eq!(config.kill_grace, Duration::from_millis(500));
    assert_eq!(config.events[&Event::Status].timeout, Some(Duration::from_secs(120)));
    assert_eq!(config.watch_interval, Duration::from_secs(3600));
    assert_eq!((config.max_parallel, config.nested), (8, false));
    for (key, value) in [
        ("isolator_usage_cache_ttl", "1 second"),
        ("isolator_usage_stale_ttl", "5min"),
        ("kill_grace", "0,5"),
        ("isolator_status_timeout", "30 s"),
        ("isolator_watch_interval", "30;"),
        ("max_parallel", "64x"),
        ("max_output_bytes", "1M"),
        ("max_output_bytes", "10k"),
        ("nested", "True"),
        ("standalone", "1"),
        ("strict_permissions", "yes"),
    ] {
        let text = error(&[
            ("isolator_status_command", "/bin/true"),
            ("isolator_watch_command", "/bin/true"),
            (key, value),
        ]);
        let begin = format!("parameter '{key}' has the value '{value}': accepted are ");
        assert!(text.starts_with(&begin), "{text}");
    }
}

#[test]
fn commands_are_the_same_while_nothing_differs_that_they_are_made_of() {
    let (plain, _) = parse_isolator(&[]).expect("accepted");
    for (key, value, is_same) in [
        ("kill_grace", "1s", true),
        ("kill_grace", "3s", false),
        ("max_output_bytes", "10", false),
        ("io", "file", false),
        ("stdio", "null", false),
        ("background", "kill", false),
        ("max_parallel", "3", true),
        ("isolator_usage_cache_ttl", "3s", true),
        ("debug", "true", true),
        ("strict_permissions", "true", true),
        ("nested", "false", true),
    ] {
        let (config, _) = parse_isolator(&[(key, value)]).expect(key);
        assert_eq!(config.makes_the_same_commands(&plain), is_same, "{key}={value}");
    }
}

#[test]
fn the_originals_keys_are_read_as_it_read_them_and_doubted() {
    let texts = doubts(&[
        ("isolator_prepare_timeout", "5m"),
        ("isolator_watch_frequence", "7 s"),
        ("isolator_cleanup_timeout", "30s"),
        ("debug", "True"),
        ("state_dir", "/run/x "),
    ]);
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts[0].contains("'debug' has the value 'True', which is read as false"));
    assert!(texts[1].contains("'7 s', which is read as 7 seconds, as the original"));
    assert!(texts[2].contains("'/run/x ', whose blank at the end"), "{texts:?}");
    assert!(texts[3].contains("'5m', which is read as 5 seconds, as the original"));
    let both = [("isolator_watch_frequence", "5"), ("isolator_watch_interval", "6")];
    assert!(doubts(&both)[0].contains("no effect beside 'isolator_watch_interval'"));
}

#[test]
fn an_unusable_timeout_without_a_command_is_a_doubt() {
    for (key, value) in [
        ("isolator_prepare_timeout", "0"),
        ("isolator_prepare_timeout", "soon"),
        ("isolator_status_timeout", "+10"),
        ("isolator_watch_frequence", "0"),
    ] {
        let texts = doubts(&[(key, value)]);
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].contains(&format!("'{key}' has no effect without")), "{texts:?}");
        let command = match key {
            "isolator_prepare_timeout" => "isolator_prepare_command",
            "isolator_status_timeout" => "isolator_status_command",
            _ => "isolator_watch_command",
        };
        error(&[(command, "/bin/true"), (key, value)]);
    }
}

#[test]
fn printed_defaults_are_spellings_that_are_accepted() {
    let (default, _) = parse_isolator(&[]).expect("accepted");
    for row in PARAMETERS {
        let Unset::Text(text) = row.unset else { continue };
        let (config, warnings) = parse_isolator(&[(row.name, text)]).expect(row.name);
        assert_eq!(warnings, [], "{}", row.name);
        assert_eq!(format!("{config:?}"), format!("{default:?}"), "{}", row.name);
    }
    for row in EVENT_PARAMETERS {
        let Unset::Text(text) = row.unset else { continue };
        let name = row.key(Some(Event::Usage));
        let mode = ("isolator_usage_mode", "worker");
        let mut parameters = vec![("isolator_usage_command", "/bin/true")];
        parameters.extend((name != mode.0).then_some(mode));
        parameters.push((&name, text));
        let (_, warnings) = parse_isolator(&parameters).expect(&name);
        assert_eq!(warnings, [], "{name}");
    }
    for event in Event::ALL {
        let Some(timeout) = keys::timeout_default(event) else { continue };
        let prefix = event.row().prefix;
        let name = ("module_name".to_owned(), "test".to_owned());
        let command = (format!("{prefix}_command"), "/bin/true".to_owned());
        let timeout = (format!("{prefix}_timeout"), timeout);
        let (config, warnings) =
            Config::parse(event.row().kind, &[name, command, timeout]).expect(prefix);
        assert_eq!(warnings, [], "{prefix}");
        assert_eq!(config.events[&event].timeout, event.row().timeout);
    }
}
