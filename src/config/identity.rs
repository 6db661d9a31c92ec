//! How users, niceness and limits are read: once, at load.
//!
//! A user is looked up in the system's databases (which may be a directory service) while the
//! parameters are read, and never again: a command is not held up by a service that does not
//! answer, and gets what `mesos-command check` has seen. Whether this process may give it all that
//! is asked later, in `rights`.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd;

use super::reader::Reader;
use super::row::{Accepts, Parameter};
use super::{ConfigError, value};
use crate::sys::User;

/// A program needs its three, and its loader some. The kernel's own limit (`fs.nr_open`) is far
/// below the largest that it can be set to.
pub(super) const OPEN_FILES: Accepts = Accepts::Count { least: 16, most: 1 << 30 };

/// What a user is given as, for messages.
const USER_FORMS: &str =
    "accepted are USER, USER:GROUP, each a name or a number ('nobody', '65534:daemon')";

/// A user of its own; `None` where it is the one that this process has anyway.
pub(super) fn user(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Option<User>, ConfigError> {
    let found = reader.optional(row, find)?;
    Ok(found.filter(|user| !is_own(user)))
}

pub(super) fn nice(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Option<i32>, ConfigError> {
    reader.optional(row, |text| {
        let read = text.trim().parse::<i32>().ok().filter(|nice| (-20..=19).contains(nice));
        read.ok_or_else(|| "accepted are whole numbers from -20 to 19".to_owned())
    })
}

pub(super) fn open_files(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Option<u64>, ConfigError> {
    let (least, most) = row.accepts.range();
    let read = |text: &str| value::count(text, least as usize, most as usize);
    Ok(reader.optional(row, read)?.map(|count| count as u64))
}

/// Finds the user and its groups, as a login would.
fn find(text: &str) -> Result<User, String> {
    let (name, group) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (text, None),
    };
    if name.is_empty() || group == Some("") || text.contains('\0') {
        return Err(USER_FORMS.to_owned());
    }
    let account = account(name)?;
    let gid = match (group, &account) {
        (Some(group), _) => find_group(group)?,
        (None, Account::Known(account)) => account.gid,
        (None, Account::Number(uid)) => {
            return Err(format!(
                "no user has the number {uid}, so its group is not known: add ':GROUP', by name \
                 or number"
            ));
        }
    };
    let (uid, groups) = match account {
        Account::Number(uid) => (uid, vec![gid]),
        Account::Known(account) => {
            let name = CString::new(account.name).map_err(|_| USER_FORMS.to_owned())?;
            let groups = unistd::getgrouplist(&name, gid);
            (account.uid, groups.map_err(|errno| format!("its groups cannot be found: {errno}"))?)
        }
    };
    let groups = groups.into_iter().map(unistd::Gid::as_raw).collect();
    Ok(User { name: text.into(), uid: uid.as_raw(), gid: gid.as_raw(), groups })
}

enum Account {
    Known(unistd::User),
    /// A number that no user has.
    Number(unistd::Uid),
}

/// A name first, because names may be digits.
fn account(text: &str) -> Result<Account, String> {
    let failed = |errno: Errno| format!("the user cannot be looked up: {errno}");
    if let Some(account) = unistd::User::from_name(text).map_err(failed)? {
        return Ok(Account::Known(account));
    }
    let Some(uid) = number(text) else {
        return Err(format!("there is no user '{text}' on this machine; {USER_FORMS}"));
    };
    let uid = unistd::Uid::from_raw(uid);
    let account = unistd::User::from_uid(uid).map_err(failed)?;
    Ok(account.map_or(Account::Number(uid), Account::Known))
}

fn find_group(text: &str) -> Result<unistd::Gid, String> {
    let found = unistd::Group::from_name(text)
        .map_err(|errno| format!("the group cannot be looked up: {errno}"))?;
    match (found, number(text)) {
        (Some(group), _) => Ok(group.gid),
        (None, Some(gid)) => Ok(unistd::Gid::from_raw(gid)),
        (None, None) => Err(format!("there is no group '{text}' on this machine; {USER_FORMS}")),
    }
}

/// The largest number means "unchanged" to the kernel.
fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number != u32::MAX)
}

fn is_own(user: &User) -> bool {
    let sorted = |mut groups: Vec<u32>| {
        groups.push(user.gid);
        groups.sort_unstable();
        groups.dedup();
        groups
    };
    let own = unistd::getgroups().unwrap_or_default();
    let own = own.into_iter().map(unistd::Gid::as_raw).collect();
    user.uid == unistd::geteuid().as_raw()
        && user.gid == unistd::getegid().as_raw()
        && sorted(own) == sorted(user.groups.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EventConfig;
    use crate::config::parse::tests::{error, parse_isolator};
    use crate::event::Event;

    fn usage(key: &str, value: &str) -> EventConfig {
        let command = ("isolator_usage_command", "/bin/true");
        let (mut config, _) = parse_isolator(&[command, (key, value)]).expect("accepted");
        config.events.remove(&Event::Usage).expect("it has a command")
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let user = |value: &str| usage("isolator_usage_user", value).user;
        let root = unistd::User::from_name("root").unwrap().expect("every machine has one");
        let nobody = unistd::User::from_name("nobody").unwrap().expect("every machine has one");
        let found = user("nobody").expect("tests do not run as nobody");
        assert_eq!((found.uid, found.gid), (nobody.uid.as_raw(), nobody.gid.as_raw()));
        assert!(found.groups.contains(&found.gid));
        let by_number = user(&nobody.uid.to_string()).unwrap();
        assert_eq!((by_number.uid, &by_number.groups), (found.uid, &found.groups));
        let with_group = user(&format!("nobody:{}", root.gid)).unwrap();
        assert_eq!(with_group.gid, root.gid.as_raw());
        assert!(with_group.groups.contains(&with_group.gid));
        let unknown = user("3999999999:3999999998").unwrap();
        assert_eq!((unknown.uid, unknown.gid), (3_999_999_999, 3_999_999_998));
        assert_eq!(*unknown.groups, [3_999_999_998]);
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_is_accepted() {
        let refusal = |key, value| error(&[("isolator_usage_command", "/bin/true"), (key, value)]);
        for (key, value, why) in [
            ("isolator_usage_user", "no-such-user", "there is no user 'no-such-user'"),
            ("isolator_usage_user", "nobody:no-such-group", "there is no group 'no-such-group'"),
            ("isolator_usage_user", "3999999999", "no user has the number 3999999999"),
            ("isolator_usage_user", "4294967295:0", "there is no user '4294967295'"),
            ("isolator_usage_user", ":root", "accepted are USER, USER:GROUP"),
            ("isolator_usage_user", "nobody:", "accepted are USER, USER:GROUP"),
            ("isolator_usage_nice", "20", "accepted are whole numbers from -20 to 19"),
            ("isolator_usage_nice", "low", "accepted are whole numbers from -20 to 19"),
            ("isolator_usage_rlimit_nofile", "15", "accepted are whole numbers from 16 to"),
        ] {
            let text = refusal(key, value);
            let begin = format!("parameter '{key}' has the value '{value}': {why}");
            assert!(text.starts_with(&begin), "{text}");
        }
    }

    #[test]
    fn memfds_are_for_commands_of_the_agents_user() {
        let parameters = [
            ("isolator_usage_command", "/bin/true"),
            ("isolator_usage_user", "nobody"),
            ("io", "memfd"),
        ];
        let text = error(&parameters);
        assert!(text.starts_with("parameter 'io' has the value 'memfd': "), "{text}");
        assert!(text.contains("'isolator_usage_user'"), "{text}");
        assert!(parse_isolator(&parameters[..2]).is_ok());
    }
}
