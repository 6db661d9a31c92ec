//! Whose rights commands have, what they may take, and whether this process may give them that.
//!
//! That is asked when an instance is created ([`Config::check_rights`]) and not when its parameters
//! are read, since the tool may look at a configuration without the agent's rights.

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd;

use super::event_params::{EventConfig, event_rows};
use super::params::Config;
use super::problem::ConfigError;
use super::reader::refused;
use crate::event::Event;
use crate::sys::{
    self, Capability, FOR_USERS, Identity, START_METHOD_VARIABLE, SYS_NICE, SYS_RESOURCE,
};

impl EventConfig {
    /// Whose rights the command has, and what it may take.
    pub fn identity(&self) -> Identity {
        Identity { user: self.user.clone(), nice: self.nice, open_files: self.open_files }
    }
}

impl Config {
    /// Whether this process may give commands what they are to have.
    ///
    /// # Errors
    /// The first parameter that asks for more: one line with key, value and what is missing.
    pub fn check_rights(&self) -> Result<(), ConfigError> {
        for (event, config) in &self.events {
            check_start(*event, config)?;
            check_user(*event, config)?;
            check_nice(*event, config)?;
            check_open_files(*event, config)?;
        }
        Ok(())
    }
}

fn lacks(missing: &[Capability]) -> Option<String> {
    let names: Vec<_> = missing.iter().map(|capability| capability.0).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// What a child of ours would do between clone and execve, none can that `posix_spawn` starts.
fn check_start(event: Event, config: &EventConfig) -> Result<(), ConfigError> {
    if !sys::children_are_programs() {
        return Ok(());
    }
    let set = [
        (&event_rows::user, config.user.as_ref().map(|user| user.name.to_string())),
        (&event_rows::nice, config.nice.map(|nice| nice.to_string())),
        (&event_rows::open_files, config.open_files.map(|count| count.to_string())),
    ];
    for (row, value) in set {
        if let Some(value) = value {
            let text = format!(
                "commands are started by posix_spawn, as {START_METHOD_VARIABLE} says, which gives \
                 them what the agent has: leave the parameter out, or unset the variable"
            );
            return Err(refused(&row.key(Some(event)), &value, &text));
        }
    }
    Ok(())
}

fn check_user(event: Event, config: &EventConfig) -> Result<(), ConfigError> {
    let Some(user) = &config.user else { return Ok(()) };
    let key = event_rows::user.key(Some(event));
    if let Some(names) = lacks(&sys::missing(&FOR_USERS)) {
        let own = unistd::geteuid();
        let text = format!(
            "this process (uid {own}) cannot run commands of another user, because it lacks \
             {names}: run the agent as root, or leave the parameter out"
        );
        return Err(refused(&key, &user.name, &text));
    }
    let dumpable = std::fs::read_to_string("/proc/sys/fs/suid_dumpable").unwrap_or_default();
    if dumpable.trim() == "1" {
        let text = "fs.suid_dumpable is 1, with which any process of that user could look into \
                    the agent's memory while a command is started: set it to 0 or 2";
        return Err(refused(&key, &user.name, text));
    }
    Ok(())
}

/// The kernel's rule (`can_nice` in kernel/sched): a lower niceness takes a capability, or a limit
/// that is set to 20 less the niceness.
fn check_nice(event: Event, config: &EventConfig) -> Result<(), ConfigError> {
    let Some(nice) = config.nice else { return Ok(()) };
    let own = sys::niceness();
    let limit = getrlimit(Resource::RLIMIT_NICE).map_or(0, |(soft, _)| soft);
    let may = nice >= own || limit >= u64::from((20 - nice).unsigned_abs());
    match lacks(&sys::missing(&[SYS_NICE])).filter(|_| !may) {
        None => Ok(()),
        Some(name) => {
            let text = format!(
                "the agent's own is {own}, and it may not give less, because it lacks {name}: \
                 accepted are {own} to 19"
            );
            Err(refused(&event_rows::nice.key(Some(event)), &nice.to_string(), &text))
        }
    }
}

/// No limit is above `fs.nr_open`, and one above the hard limit takes a capability.
fn check_open_files(event: Event, config: &EventConfig) -> Result<(), ConfigError> {
    let Some(count) = config.open_files else { return Ok(()) };
    let refuse = |text: String| {
        let key = event_rows::open_files.key(Some(event));
        Err(refused(&key, &count.to_string(), &text))
    };
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap_or_default();
    if let Some(most) = most.trim().parse::<u64>().ok().filter(|most| count > *most) {
        return refuse(format!("the kernel gives no more than {most} (fs.nr_open)"));
    }
    let hard = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard);
    match lacks(&sys::missing(&[SYS_RESOURCE])).filter(|_| count > hard) {
        None => Ok(()),
        Some(name) => refuse(format!(
            "the agent's hard limit is {hard}, and it may not give more, because it lacks {name}: \
             accepted are 16 to {hard}; the agent's is raised where it is started (LimitNOFILE of \
             systemd)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse::tests::parse_isolator;

    #[test]
    fn more_than_the_kernel_gives_is_refused() {
        let (config, _) = parse_isolator(&[
            ("isolator_usage_command", "/bin/true"),
            ("isolator_usage_rlimit_nofile", "1073741824"),
        ])
        .expect("a number");
        let text = config.check_rights().expect_err("it is too much").to_string();
        let begin = "parameter 'isolator_usage_rlimit_nofile' has the value '1073741824': ";
        assert!(text.starts_with(begin) && text.contains("fs.nr_open"), "{text}");
        assert_eq!(parse_isolator(&[]).unwrap().0.check_rights(), Ok(()));
    }
}
