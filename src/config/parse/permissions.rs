//! What `strict_permissions` refuses, and what else is a warning: see [`Trust`].

use std::fmt::Display;
use std::path::Path;

use crate::command::CommandLine;
use crate::config::params::rows;
use crate::config::reader::{Reader, refused};
use crate::config::{Config, ConfigError, Trust, Warning, inspect_command, inspect_trust};
use crate::event::ModuleKind;

fn rules(strict: bool) -> Trust {
    if strict { Trust::strict() } else { Trust::lenient() }
}

fn refused_strictly(key: &str, value: &str, why: &dyn Display) -> ConfigError {
    refused(key, value, &format!("{why}, which strict_permissions=true refuses"))
}

impl Reader<'_> {
    /// Looks at the command `text` of the parameter `key`.
    pub(super) fn inspect_command(
        &mut self,
        key: &str,
        text: &str,
        command: &CommandLine,
        strict: bool,
    ) -> Result<(), ConfigError> {
        let path = std::env::var("PATH").ok();
        let trusted = inspect_trust(command, path.as_deref(), &rules(strict));
        if let (true, Err(problem)) = (strict, &trusted) {
            return Err(refused_strictly(key, text, problem));
        }
        let problems = [inspect_command(command, path.as_deref()), trusted];
        let problem = problems.into_iter().find_map(Result::err);
        let warn = |problem| Warning::Command { key: key.to_owned(), problem };
        self.warnings.extend(problem.map(warn));
        Ok(())
    }

    /// Looks at the directories that are named. In the state directory only trusted users may make
    /// names; each name in the one for calls is made new, so the sticky bit is enough there.
    pub(super) fn inspect_directories(&mut self, config: &Config) -> Result<(), ConfigError> {
        let strict = config.strict_permissions;
        if config.kind == ModuleKind::Isolator {
            let contexts = config.state_dir.join(&*config.module_name);
            self.inspect_directory(rows::state_dir.name, &contexts, &rules(strict), strict)?;
        }
        if let Some(temp) = &config.temp_dir {
            let trust = rules(strict).with_sticky();
            self.inspect_directory(rows::temp_dir.name, temp, &trust, strict)?;
        }
        Ok(())
    }

    fn inspect_directory(
        &mut self,
        key: &str,
        directory: &Path,
        trust: &Trust,
        strict: bool,
    ) -> Result<(), ConfigError> {
        let Some(first) = trust.path(directory).into_iter().next() else { return Ok(()) };
        let text = directory.display().to_string();
        if strict {
            return Err(refused_strictly(key, &text, &first));
        }
        let doubt = format!("{first}, and so what the agent keeps in '{text}' can be replaced");
        self.warnings.push(Warning::Directory { key: key.to_owned(), doubt });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{error, parse_isolator};

    #[test]
    fn strict_permissions_refuse_what_others_can_write() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("tempdir");
        let file = directory.path().join("command");
        std::fs::write(&file, "#!/bin/sh\n").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o777)).expect("chmod");
        let text = file.to_str().expect("utf-8");
        let (_, warnings) = parse_isolator(&[("isolator_usage_command", text)]).expect("a warning");
        assert_eq!(warnings.len(), 1);
        let refusal = error(&[("isolator_usage_command", text), ("strict_permissions", "true")]);
        assert!(refusal.contains("can be written by others"), "{refusal}");
        assert!(refusal.contains("'isolator_usage_command'"), "{refusal}");
    }

    #[test]
    fn directories_that_others_can_write_are_a_warning_or_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("tempdir");
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open).expect("chmod");
        let text = directory.path().to_str().expect("utf-8");
        for key in ["state_dir", "temp_dir"] {
            let (_, warnings) = parse_isolator(&[(key, text)]).expect("a warning");
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            let warning = warnings[0].to_string();
            assert!(warning.contains(key) && warning.contains("(mode 0777)"), "{warning}");
            let refusal = error(&[(key, text), ("strict_permissions", "true")]);
            assert!(refusal.contains(key) && refusal.contains("can be written"), "{refusal}");
        }
        // Where each name is made new, the sticky bit is enough.
        let sticky = std::fs::Permissions::from_mode(0o1777);
        std::fs::set_permissions(directory.path(), sticky).expect("chmod");
        let strict = ("strict_permissions", "true");
        assert!(parse_isolator(&[("temp_dir", text), strict]).is_ok());
        assert!(error(&[("state_dir", text), strict]).contains("mode 1777"));
        assert_eq!(parse_isolator(&[("state_dir", text)]).expect("accepted").1, []);
    }
}
