//! A test's other half in a process of its own.

use std::process::{Command, Output, Stdio};

/// Runs the ignored test `name` of this test binary in a process of its own, told so by
/// `variable`, and gives its output.
///
/// # Panics
///
/// Unless exactly this one test ran there, and passed: a test that was renamed or moved is not
/// found, and the harness calls a run of no test a success.
#[track_caller]
#[must_use]
pub fn own_process(name: &str, variable: &str) -> Output {
    own_process_with(name, &[(variable, "1")])
}

/// As [`own_process`], with these variables in its environment.
///
/// # Panics
///
/// As [`own_process`].
#[track_caller]
#[must_use]
pub fn own_process_with(name: &str, variables: &[(&str, &str)]) -> Output {
    own_process_by(&[], name, variables)
}

/// As [`own_process_with`], started by the program and the arguments of `wrapper`, to which this
/// program and its arguments are added.
///
/// # Panics
///
/// As [`own_process`].
#[track_caller]
#[must_use]
pub fn own_process_by(wrapper: &[&str], name: &str, variables: &[(&str, &str)]) -> Output {
    let own = std::env::current_exe().expect("known");
    let mut command = match wrapper {
        [] => Command::new(own),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(own);
            command
        }
    };
    let output = command
        .args([name, "--exact", "--ignored", "--nocapture", "--test-threads", "1"])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("this program again, or its wrapper");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{name} {variables:?}: {}\n{text}", output.status);
    assert!(
        text.contains("test result: ok. 1 passed; 0 failed;"),
        "{name} {variables:?}: not exactly one ignored test has this name\n{text}"
    );
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHILD: &str = "TEST_SUPPORT_CHILD";

    #[test]
    #[ignore = "started by the test below"]
    fn child() {
        println!("told={:?}", std::env::var(CHILD));
    }

    #[test]
    fn the_child_runs_with_its_variable() {
        let output = own_process("own_process::tests::child", CHILD);
        assert!(String::from_utf8_lossy(&output.stdout).contains("told=Ok(\"1\")"));
    }

    #[test]
    #[should_panic(expected = "not exactly one ignored test has this name")]
    fn a_child_that_does_not_exist_is_no_success() {
        let _ = own_process("own_process::tests::renamed", CHILD);
    }

    #[test]
    #[should_panic(expected = "not exactly one ignored test has this name")]
    fn a_test_that_is_not_ignored_is_none() {
        let _ = own_process("own_process::tests::the_child_runs_with_its_variable", CHILD);
    }
}
