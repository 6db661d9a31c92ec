//! smoke
use mesos_command::event::{Event, OutcomeKind};
use mesos_command::process::*;
use std::sync::Arc;
use std::time::Duration;
#[test]
fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    std::fs::write(&path, "#!/bin/sh\necho hello >&2\nprintf '{}' >\"$2\"; exit ${1:+0}").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for io in [IoMode::Files, IoMode::MemfdInput, IoMode::Memfd] {
        let spec = Arc::new(CommandSpec {
            event: Event::Prepare,
            module: "m".into(),
            command: CommandLine::Path(path.clone().into()),
            environment: std::env::vars_os()
                .map(|(k, v)| {
                    let mut e = k;
                    e.push("=");
                    e.push(v);
                    e
                })
                .collect(),
            timeout: Some(Duration::from_secs(5)),
            kill_grace: Duration::from_secs(1),
            max_output_bytes: 1000,
            io,
            stdio: Stdio::Capture,
            background: Background::Keep,
            temp_dir: None,
        });
        let runner = Runner::global().unwrap();
        let report = runner.run_blocking(
            Request::new(spec, Input::Text(b"{}".as_slice().into())),
            None,
            None,
        );
        println!("{report:?}");
        assert_eq!(report.outcome, OutcomeKind::Ok);
        assert_eq!(report.output, b"{}");
    }
}
