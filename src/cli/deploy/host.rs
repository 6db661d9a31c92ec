//! One host, from the first look to the way back.

use std::fs::File;

use serde_json::Value;

use super::failure::{Failure, Kind};
use super::origins::{Configuration, Host, Plan, candidates};
use super::report::{Outcome, Report};
use super::ssh::{Said, Ssh};
use super::{Arguments, Local, Sent};

/// What this program and the library beside it are for; `uname -m` has the same names.
const MACHINE: &str = std::env::consts::ARCH;
/// The tool's name there.
const TOOL: &str = "mesos-command";
/// How many seconds a service may take to be up for good.
const PATIENCE: &str = "60";
const BYTES_PER_MIB: f64 = 1_048_576.0;

/// What is at the library's place.
struct Now {
    /// Empty where there is none.
    sum: String,
    /// The oldest first.
    kept: Vec<String>,
}

/// A deployment under way.
struct Deployment<'a> {
    ssh: &'a Ssh<'a>,
    host: &'a str,
    arguments: &'a Arguments,
    plan: Plan,
    target: String,
    now: Now,
}

/// Brings library and tool there.
pub(super) fn deploy(
    ssh: &Ssh<'_>,
    host: &str,
    arguments: &Arguments,
    local: &Local,
    report: &mut Report,
) -> Result<Outcome, Failure> {
    let found = probe(ssh)?;
    if found.machine != MACHINE {
        let text = format!("it is {}; library and tool are for {MACHINE}", found.machine);
        return Err(Failure::new(Kind::OtherMachine, text));
    }
    let plan = Plan::new(&found, &arguments.places)?;
    needs_unit(&plan, arguments)?;
    let target = format!("{}/{}", plan.directory, arguments.name);
    let now = look(ssh, &target)?;
    report.step("found", &described(&found, &plan));
    let deployment = Deployment { ssh, host, arguments, plan, target, now };
    if arguments.dry_run {
        deployment.show(local, report);
        return Ok(Outcome::Planned);
    }
    let said = ssh.step(&["begin", &deployment.plan.directory])?;
    let stage = value(&said, "stage")?;
    let done = deployment.carry_out(&stage, local, report);
    if done.is_err() {
        // The next deployment removes it, where this one cannot.
        let _ = ssh.step(&["discard", &stage]);
    }
    done
}

/// Puts the library in place again that was there before.
pub(super) fn roll_back(
    ssh: &Ssh<'_>,
    host: &str,
    arguments: &Arguments,
    report: &mut Report,
) -> Result<Outcome, Failure> {
    let found = probe(ssh)?;
    let plan = Plan::back(&found, &arguments.places);
    needs_unit(&plan, arguments)?;
    let target = format!("{}/{}", plan.directory, arguments.name);
    let now = look(ssh, &target)?;
    let Some(kept) = now.kept.last().cloned() else {
        let text = format!("there is no older {target} (a name with a date behind it)");
        return Err(Failure::new(Kind::NothingKept, text));
    };
    let deployment = Deployment { ssh, host, arguments, plan, target, now };
    if arguments.dry_run {
        report.step("would", &format!("rename {kept} to {}", deployment.target));
        deployment.last_lines(report);
        return Ok(Outcome::Planned);
    }
    let said = ssh.step(&["rollback", &deployment.target, &deployment.now.sum])?;
    let sum = value(&said, "sum")?;
    report.step(
        "restored",
        &format!("{} as {}, sha256 {sum}", value(&said, "restored")?, deployment.target),
    );
    deployment.finish(report)?;
    Ok(Outcome::RolledBack)
}

impl Deployment<'_> {
    fn carry_out(
        &self,
        stage: &str,
        local: &Local,
        report: &mut Report,
    ) -> Result<Outcome, Failure> {
        self.send(&local.module, stage, &self.arguments.name)?;
        self.send(&local.tool, stage, TOOL)?;
        let both = format!("{} and {TOOL}", self.arguments.name);
        report.step("copied", &format!("{both}: {}; the sums are the same", self.sizes(local)));
        self.ssh.step(&["runs", stage])?;
        self.inspect(stage, report)?;
        self.check(stage, report)?;
        if !self.arguments.without_tool {
            let tool = self.tool();
            self.ssh.step(&["tool", stage, &tool])?;
            report.step("tool", &tool);
        }
        if self.now.sum == local.module.sum {
            self.ssh.step(&["discard", stage])?;
            report.step("in place", &format!("{} was the same already", self.target));
            self.finish(report)?;
            return Ok(Outcome::Unchanged);
        }
        let keep = self.arguments.keep.to_string();
        let words = ["install", stage, &self.target, &self.now.sum, &self.arguments.name, &keep];
        for (key, value) in self.ssh.step(&words)? {
            if matches!(key.as_str(), "kept" | "removed") {
                report.step(&key, &value);
            }
        }
        report.step("in place", &format!("{}, sha256 {}", self.target, local.module.sum));
        self.finish(report)?;
        Ok(Outcome::Deployed)
    }

    fn send(&self, file: &Sent, stage: &str, name: &str) -> Result<(), Failure> {
        let open = File::open(&file.path).map_err(|error| {
            Failure::new(Kind::Other, format!("'{}' cannot be read: {error}", file.path.display()))
        })?;
        self.ssh.send(open, &format!("{stage}/{name}"))?;
        self.ssh.step(&["arrived", stage, name, &file.sum]).map(drop)
    }

    /// Runs `inspect` there, and takes nothing but a yes.
    fn inspect(&self, stage: &str, report: &mut Report) -> Result<(), Failure> {
        let module = format!("{stage}/{}", self.arguments.name);
        let libmesos = &self.plan.libmesos;
        let words = ["inspect", libmesos, "--module", &module, "--json"];
        let said = self.ask(stage, &words)?;
        let data = json_in(&said);
        let problems = data["problems"].as_array().map_or(&[][..], Vec::as_slice);
        let problems: Vec<&str> = problems.iter().filter_map(Value::as_str).collect();
        report.add("inspect", data.clone());
        if said.status == 0 {
            report.step("inspect", &format!("fits {libmesos}"));
            return Ok(());
        }
        let why = if problems.is_empty() { said.last_words() } else { problems.join("; ") };
        let verdict = match said.status {
            1 => "the library does not fit",
            3 => "it is not known whether the library fits",
            _ => "the library cannot be compared with",
        };
        Err(Failure::new(Kind::DoesNotFit, format!("{verdict} {libmesos}: {why}")))
    }

    /// Runs `check` there, as if the new library were in its place.
    fn check(&self, stage: &str, report: &mut Report) -> Result<(), Failure> {
        let (what, words) = match &self.plan.configuration {
            Configuration::None => {
                report.step("check", "not looked at (--no-check)");
                return Ok(());
            }
            Configuration::From(from) => (from, vec!["--from", from.as_str()]),
            Configuration::Modules(modules) => (modules, vec![modules.as_str()]),
        };
        let replaced = format!("{}={stage}/{}", self.target, self.arguments.name);
        let mut all = vec!["--color", "never", "check", "--quiet", "--replace", &replaced];
        if self.arguments.json {
            all.push("--json");
        }
        all.extend(words);
        let said = self.ask(stage, &all)?;
        if self.arguments.json {
            report.add("check", json_in(&said));
        }
        if said.status != 0 {
            report.quote(&said.out);
            let text = match said.status {
                1 => format!("{what} has errors"),
                _ => format!("{what} cannot be checked: {}", said.last_words()),
            };
            return Err(Failure::new(Kind::CheckFailed, text));
        }
        report.step("check", &format!("{what} has no errors"));
        if said.out.contains("warning[") {
            report.quote(&said.out);
        }
        Ok(())
    }

    fn ask(&self, stage: &str, words: &[&str]) -> Result<Said, Failure> {
        self.ssh.ask(&[&["ask", stage, &self.plan.library_path], words].concat())
    }

    /// Restarts where that was asked for, and says what is left to do.
    fn finish(&self, report: &mut Report) -> Result<(), Failure> {
        if self.arguments.restart {
            let unit = self.plan.unit.as_deref().unwrap_or_default();
            let said = self.ssh.step(&["restart", unit, PATIENCE])?;
            report.step("restarted", &format!("{unit}, process {}", value(&said, "active")?));
        }
        self.last_lines(report);
        Ok(())
    }

    fn last_lines(&self, report: &mut Report) {
        if !self.arguments.restart {
            let (options, prefix) = (self.arguments.ssh.shown(), self.arguments.ssh.prefix());
            let text = match &self.plan.unit {
                Some(unit) => format!("{options} {} {prefix}systemctl restart {unit}", self.host),
                None => "as this host does it: no unit of an agent was found".to_owned(),
            };
            report.step("restart", &text);
        }
        if !self.arguments.rollback && !self.now.sum.is_empty() {
            report.step(
                "way back",
                &format!("mesos-command deploy --rollback{} {}", self.options(), self.host),
            );
        }
    }

    /// What a way back has to be told again.
    fn options(&self) -> String {
        let (arguments, mut text) = (self.arguments, self.arguments.ssh.again());
        if let Some(directory) = &arguments.places.modules_dir {
            text += &format!(" --modules-dir {directory}");
        }
        if arguments.name != crate::inspect::MODULE {
            text += &format!(" --as {}", arguments.name);
        }
        if let Some(unit) = &arguments.places.service {
            text += &format!(" --service {unit}");
        }
        text
    }

    /// `--dry-run`: each step, and none of them done.
    fn show(&self, local: &Local, report: &mut Report) {
        let (directory, name) = (&self.plan.directory, &self.arguments.name);
        report.step(
            "would",
            &format!(
                "copy {name} and {TOOL} into a directory in {directory}: {}",
                self.sizes(local)
            ),
        );
        report.step(
            "would",
            &format!("run there: {TOOL} inspect {} --module …/{name}", self.plan.libmesos),
        );
        match &self.plan.configuration {
            Configuration::From(from) => {
                report.step("would", &format!("run there: {TOOL} check --from {from}"));
            }
            Configuration::Modules(modules) => {
                report.step("would", &format!("run there: {TOOL} check {modules}"));
            }
            Configuration::None => {}
        }
        if !self.arguments.without_tool {
            report.step("would", &format!("rename the tool to {}", self.tool()));
        }
        if self.now.sum == local.module.sum {
            report.step("would", &format!("leave {} as it is: it is the same", self.target));
        } else {
            if !self.now.sum.is_empty() {
                let keep = self.arguments.keep;
                report.step(
                    "would",
                    &format!(
                        "keep {} with a date behind its name, the last {keep} of them",
                        self.target
                    ),
                );
            }
            report.step("would", &format!("rename the new library to {}", self.target));
        }
        if self.arguments.restart {
            let unit = self.plan.unit.as_deref().unwrap_or_default();
            report.step("would", &format!("restart {unit}, and see that it stays up"));
        }
        self.last_lines(report);
    }

    fn tool(&self) -> String {
        format!("{}/{TOOL}", self.arguments.tool_dir.trim_end_matches('/'))
    }

    fn sizes(&self, local: &Local) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a size for people")]
        let mib = |file: &Sent| file.bytes as f64 / BYTES_PER_MIB;
        format!("{:.1} and {:.1} MiB", mib(&local.module), mib(&local.tool))
    }
}

fn probe(ssh: &Ssh<'_>) -> Result<Host, Failure> {
    let [units, flags, modules, libraries] = candidates();
    Ok(Host::new(&ssh.step(&["probe", &units, &flags, &modules, &libraries])?))
}

fn look(ssh: &Ssh<'_>, target: &str) -> Result<Now, Failure> {
    let said = ssh.step(&["look", target])?;
    let kept = said.iter().filter(|(key, _)| key == "kept").map(|(_, value)| value.clone());
    Ok(Now { sum: value(&said, "sum")?, kept: kept.collect() })
}

/// `--restart` without a unit ends before anything is changed.
fn needs_unit(plan: &Plan, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.restart && plan.unit.is_none() {
        let [units, ..] = candidates();
        let text = format!("there is none of the units {}", units.replace(' ', ", "));
        return Err(Failure::new(Kind::NoService, text));
    }
    Ok(())
}

fn described(host: &Host, plan: &Plan) -> String {
    let origin = plan.origin.unwrap_or("an unknown origin");
    let agent = match host.agents.as_slice() {
        [] => "no agent runs".to_owned(),
        all => format!("agent {}", all.join(", ")),
    };
    format!("{}, user {}, {origin}, {agent}, {}", host.machine, host.user, plan.libmesos)
}

fn value(said: &[(String, String)], key: &str) -> Result<String, Failure> {
    let found = said.iter().find(|(it, _)| it == key).map(|(_, value)| value.clone());
    found.ok_or_else(|| Failure::new(Kind::Other, format!("the host does not say '{key}'")))
}

/// The JSON in an output, behind what a login script may have printed.
fn json_in(said: &Said) -> Value {
    let mut at = 0;
    for line in said.out.split_inclusive('\n') {
        if line.starts_with('{') {
            let mut values = serde_json::Deserializer::from_str(&said.out[at..]).into_iter();
            return values.next().and_then(Result::ok).unwrap_or_default();
        }
        at += line.len();
    }
    Value::Null
}
