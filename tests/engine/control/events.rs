//! Finished calls as they finish.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;

use mesos_command::event::Event;
use serde_json::Value;
use test_support::wait_for;

use super::{ask, instance, socket};
use crate::support::PATIENCE;

/// There are eight places for followers in a process, which these tests share.
static PLACES: Mutex<()> = Mutex::new(());

struct Follower(BufReader<UnixStream>);

impl Follower {
    /// Follows, and reads the head and the first line; `None` when there is no place.
    fn attempt(socket: &Path, query: &str) -> Option<Follower> {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("GET /v1/events{query} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        let mut follower = Follower(BufReader::new(stream));
        let status = follower.line();
        if status.contains(" 503 ") {
            return None;
        }
        assert!(status.contains(" 200 "), "{status}");
        while !follower.line().is_empty() {}
        assert_eq!(follower.event()["following"], true);
        Some(follower)
    }

    fn new(socket: &Path, query: &str) -> Follower {
        wait_for("a place", || Follower::attempt(socket, query))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next one that is no heartbeat.
    fn event(&mut self) -> Value {
        loop {
            let event: Value = serde_json::from_str(&self.line()).unwrap();
            if event["heartbeat"].is_null() {
                return event;
            }
        }
    }
}

#[test]
fn finished_calls_are_told_to_those_who_want_them() {
    let _alone = PLACES.lock().unwrap();
    let script = "case $MESOS_CONTAINER_ID in bad*) echo no >\"$3\"; exit 3;; esac";
    let scripts = [("isolator_isolate", script), ("isolator_update", script)];
    let one = instance("control-events", &scripts, &[]);
    let path = socket(&one);
    let mut all = Follower::new(&path, "?module=control-events");
    let mut failed = Follower::new(&path, "?module=control-events&outcome=exit");
    let mut updates = Follower::new(&path, "?module=control-events&event=isolator_update");
    let mut bad2 = Follower::new(&path, "?module=control-events&container=bad2");
    for (event, container) in [
        (Event::Isolate, "good1"),
        (Event::Isolate, "bad1"),
        (Event::Update, "good2"),
        (Event::Update, "bad2"),
    ] {
        one.call(event, container);
    }
    let told = |follower: &mut Follower, count: usize| {
        let one = |_| {
            let event = follower.event();
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            (text("container"), text("outcome"))
        };
        (0..count).map(one).collect::<Vec<_>>()
    };
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
    };
    let expected = [("good1", "ok"), ("bad1", "exit"), ("good2", "ok"), ("bad2", "exit")];
    assert_eq!(told(&mut all, 4), pairs(&expected));
    assert_eq!(told(&mut failed, 2), pairs(&[("bad1", "exit"), ("bad2", "exit")]));
    assert_eq!(told(&mut updates, 2), pairs(&[("good2", "ok"), ("bad2", "exit")]));
    assert_eq!(told(&mut bad2, 1), pairs(&[("bad2", "exit")]));
    for refused in ["event=x", "outcome=x", "colour=x"] {
        ask(&path, "GET", &format!("/v1/events?{refused}"), 400);
    }
    ask(&path, "GET", "/v1/events?module=nobody", 404);
}

#[test]
fn a_ninth_follower_is_refused_until_one_leaves() {
    let _alone = PLACES.lock().unwrap();
    let one = instance("control-followers", &[("isolator_update", "true")], &[]);
    let path = socket(&one);
    let filter = "?module=control-followers";
    let mut followers: Vec<_> = (0..8).map(|_| Follower::new(&path, filter)).collect();
    assert!(Follower::attempt(&path, filter).is_none(), "there are eight already");
    // One that reads nothing holds up nobody.
    let last = followers.pop();
    for _ in 0..20 {
        one.call(Event::Update, "c1");
    }
    assert_eq!(followers[0].event()["event"], "isolator_update");
    drop(last);
    // Its place is given back when something was written to it.
    Follower::new(&path, filter);
}
