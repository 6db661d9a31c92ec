//! The status page, before an HTML parser and a real browser.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use test_support::{note, repository, skip_offline, wait_for};

use crate::support::{Instance, PATIENCE, field, id};

/// Set by `make pages-check`: a browser that cannot be run is then no reason to pass.
const WANTED: &str = "PAGES_CHECK";
/// Where pictures for the documents are kept, if they are to be made.
const PICTURES: &str = "PAGES_PICTURES";

/// What a page has at the most: the bound, its last row, head and foot.
const MOST_BYTES: usize = (1 << 20) + (128 << 10);

struct Page {
    instance: Instance,
    address: SocketAddr,
}

fn page(module: &str, scripts: &[(&str, &str)], more: &[(&str, &str)]) -> Page {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let text = address.to_string();
    let own = [("metrics_address", &*text), ("kill_grace", "0")];
    let instance = Instance::new(module, scripts, &[&own[..], more].concat());
    wait_for("the listener", || TcpStream::connect(address).ok());
    Page { instance, address }
}

const SHOWN: (&str, &str) = ("status_page", "true");

impl Page {
    /// Status, head and body of an answer.
    fn ask(&self, method: &str, path: &str, host: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str) -> String {
        let (status, _, body) = self.ask("GET", path, &self.address.to_string());
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The page, once it has all of this.
    fn wait(&self, parts: &[&str]) -> String {
        wait_for(&format!("a page with {parts:?}"), || {
            let page = self.get("/status");
            parts.iter().all(|part| page.contains(part)).then_some(page)
        })
    }

    /// Prepares a container of this task.
    fn prepare(&self, container: &str, task: &str) -> std::sync::mpsc::Receiver<Answer> {
        let id_of = |text: &str| field(1, text.as_bytes());
        // As `config_of_task` of the control socket's tests.
        let executor = [field(1, &id_of("e")), field(7, &[]), field(8, &id_of("f-0001"))].concat();
        let task = [field(1, b"n"), field(2, &id_of(task)), field(3, &id_of("s"))].concat();
        let config =
            [field(3, b"/x"), field(8, &executor), field(9, &task), field(11, &[])].concat();
        let id = id(container);
        let values = [InputValue::Message(&config), InputValue::Message(&id)];
        let (sender, receiver) = std::sync::mpsc::channel();
        let done = Box::new(move |answer| drop(sender.send(answer)));
        self.instance.isolator.call(Event::Prepare, &values, done);
        receiver
    }
}

/// The HTML has to be whole, and to have what everybody needs who reads it.
fn well_formed(html: &str) {
    let mut judge = Command::new("python3");
    judge.arg(repository("tests/pages/parsed.py"));
    judge.arg("--style").arg(repository("src/status_page/status.css"));
    let mut judge =
        judge.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 can be run");
    judge.stdin.take().unwrap().write_all(html.as_bytes()).unwrap();
    let judged = judge.wait_with_output().unwrap();
    assert!(judged.status.success(), "{}\n{html}", String::from_utf8_lossy(&judged.stdout));
}

/// Prepares hang and fail for containers called so.
const PREPARE: &str =
    "case $MESOS_CONTAINER_ID in hang*) exec sleep 600;; fail*) ;; *) exit 0;; esac
    echo 'no address is free' >\"$3\"; echo 'asked 10.0.0.1 and 10.0.0.2' >&2; exit 3";
const USAGE: &str = "printf '{\"mem_rss_bytes\":42}' >\"$2\"";

#[test]
fn a_launch_that_hangs_and_a_failure_are_on_the_page() {
    let scripts = [("isolator_prepare", PREPARE), ("isolator_usage", USAGE)];
    let page = page("page-hangs", &scripts, &[SHOWN, ("isolator_usage_cache_ttl", "600")]);
    page.prepare("fail-1", "web.6").recv_timeout(PATIENCE).unwrap();
    page.prepare("ok-used", "web.5").recv_timeout(PATIENCE).unwrap();
    page.instance.usage("ok-used");
    page.instance.usage("ok-used");
    let _launches = ["hang-1", "hang-2"].map(|container| page.prepare(container, "web.7"));
    let script = page.instance.path("isolator_prepare").display().to_string();
    let parts = [
        "hang-1",
        "hang-2",
        "queued",
        "running",
        "web.7",
        "f-0001",
        &script,
        "Cause: no address is free",
        "asked 10.0.0.1 and 10.0.0.2",
        "ok-used",
    ];
    let text = page.wait(&parts);
    well_formed(&text);
    let pid = format!("version {}", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&pid), "{text}");
    // The index leads to it, and it to the metrics.
    assert!(page.get("/").contains("href=\"/status\""));
    assert!(text.contains("href=\"/metrics\""));
    well_formed(&page.get("/status?refresh=5"));
}

#[test]
fn words_of_others_stay_words() {
    let script = "echo '<script>alert(1)</script>\u{1b}[2J' >&2
        echo '\"><img src=x onerror=alert(2)>\u{202e}&amp;' >\"$3\"; exit 3";
    let module = "page-<b onload='x'>\"&";
    let page = page(module, &[("isolator_prepare", script)], &[SHOWN]);
    let id = "c<i>\"'&amp;";
    page.prepare(id, "</td><script>t</script>").recv_timeout(PATIENCE).unwrap();
    let text = page.wait(&["page-&lt;b onload=&#39;x&#39;&gt;&quot;&amp;", "alert(1)"]);
    well_formed(&text);
    for part in [
        "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J",
        "&quot;&gt;&lt;img src=x onerror=alert(2)&gt;",
        "c&lt;i&gt;&quot;&#39;&amp;amp;",
        "&lt;/td&gt;&lt;script&gt;t&lt;/script&gt;",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn secrets_are_hidden_as_everywhere() {
    let more = [
        SHOWN,
        ("isolator_watch_command", "DB_PASSWORD=page-s3cr3t-7 exec true"),
        ("api_token", "page-s3cr3t-7"),
    ];
    let page = page("page-secrets", &[("isolator_prepare", PREPARE)], &more);
    let text = page.wait(&["DB_PASSWORD=[redacted] exec true"]);
    assert!(!text.contains("page-s3cr3t-7"), "{text}");
}

#[test]
fn it_is_there_on_request_read_only_and_for_this_machine() {
    let plain = page("page-not", &[("isolator_prepare", PREPARE)], &[]);
    let own = plain.address.to_string();
    for path in ["/status", "/status.css"] {
        assert_eq!(plain.ask("GET", path, &own).0, 404, "{path}");
    }
    assert!(!plain.get("/").contains("/status"));
    let page = page("page-there", &[("isolator_prepare", PREPARE)], &[SHOWN]);
    let own = page.address.to_string();
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(page.ask(method, "/status", &own).0, 405, "{method}");
    }
    let (status, head, body) = page.ask("HEAD", "/status", &own);
    assert_eq!((status, body.as_str()), (200, ""));
    for field in [
        "content-security-policy: default-src 'none'; style-src 'self';",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(head.contains(field), "{field}: {head}");
    }
    assert_eq!(page.ask("GET", "/status", "attacker.example").0, 421);
    let (status, _, text) = page.ask("GET", "/status?refresh=0", &own);
    assert_eq!((status, text.contains("from 2 to 3600")), (400, true), "{text}");
    assert!(page.get("/status.css").contains("prefers-color-scheme: dark"));
}

#[test]
fn a_page_has_an_end_whatever_commands_print() {
    let script = "head -c 4096 /dev/zero | tr '\\0' '&' >\"$3\"
        head -c 4096 /dev/zero | tr '\\0' '<' >&2; exit 3";
    let more = [SHOWN, ("lifecycle_parallel", "8")];
    let page = page("page-large", &[("isolator_prepare", script)], &more);
    let launches: Vec<_> =
        (0..70).map(|number| page.prepare(&format!("large{number}"), "t")).collect();
    for launch in launches {
        launch.recv_timeout(PATIENCE).unwrap();
    }
    let text = page.wait(&["more are not shown; the control socket has them"]);
    assert!(text.len() < MOST_BYTES, "{}", text.len());
    well_formed(&text);
}

#[test]
fn clients_that_read_nothing_keep_nobody_from_the_page() {
    let page = page("page-stuck", &[("isolator_prepare", PREPARE)], &[SHOWN]);
    let stuck: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(page.address).unwrap();
            stream.write_all(b"GET /status HTTP/1.1\r\n\r\n").unwrap();
            stream
        })
        .collect();
    page.wait(&["page-stuck"]);
    assert!(page.get("/metrics").contains("mesos_command_calls_total"));
    assert!(page.get("/healthz") == "ok\n" && stuck.len() == 40);
}

/// What a browser makes of the page; `None` where none can be run, which is told.
fn browse(page: &Page, path: &str, words: &[&str], pictures: Option<&str>) -> Option<Output> {
    let mut judge = Command::new("python3");
    judge.arg(repository("tests/pages/browser.py"));
    judge.arg(format!("http://{}{path}", page.address)).arg("--words").args(words);
    if let Some(pictures) = pictures {
        judge.args(["--pictures", pictures]);
    }
    let done = judge.output().expect("python3 can be run");
    if done.status.code() == Some(3) {
        let reason = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if std::env::var_os(WANTED).is_some() {
            skip_offline("the status page in a browser", &reason);
        } else {
            note(&format!("SKIPPED the status page in a browser: {reason}"));
        }
        return None;
    }
    Some(done)
}

#[test]
fn a_real_browser_shows_it_by_day_and_by_night() {
    let scripts = [("isolator_prepare", PREPARE), ("isolator_usage", USAGE)];
    let more = [SHOWN, ("isolator_usage_cache_ttl", "600")];
    let page = page("network", &scripts, &more);
    let containers =
        ["8b3f9d1c-3b7d-4d7e-9d0c-1f2e3d4c5b6a", "0c1d2e3f-3b7d-4d7e-9d0c-6a5b4c3d2e1f"];
    page.prepare("fail-4d7e-9d0c-6a5b4c3d2e1f", "web.6").recv_timeout(PATIENCE).unwrap();
    for container in containers {
        page.prepare(container, "web.5").recv_timeout(PATIENCE).unwrap();
        page.instance.usage(container);
        page.instance.usage(container);
    }
    let _launch = page.prepare("hang-4d7e-9d0c-1f2e3d4c5b6a", "web.7");
    page.wait(&["hang-4d7e", "asked 10.0.0.1"]);
    let pictures = std::env::var(PICTURES).ok();
    let words = [
        "Mesos command modules",
        "hang-4d7e-9d0c-1f2e3d4c5b6a",
        "web.7",
        "asked 10.0.0.1 and 10.0.0.2",
        "Calls in flight, the oldest first",
    ];
    let Some(done) = browse(&page, "/status", &words, pictures.as_deref()) else { return };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    // One who is up to no good, in the same browser.
    let script = "echo '<script>document.title=1</script><b>bold</b>' >\"$3\"; exit 3";
    let hostile = self::page("page-hostile", &[("isolator_prepare", script)], &[SHOWN]);
    hostile.prepare("c<svg onload=x>", "t").recv_timeout(PATIENCE).unwrap();
    hostile.wait(&["c&lt;svg"]);
    let words = ["<script>document.title=1</script><b>bold</b>", "c<svg onload=x>"];
    let Some(done) = browse(&hostile, "/status?refresh=600", &words, None) else { return };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
