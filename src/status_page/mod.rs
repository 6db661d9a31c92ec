//! The status page: for people who look at an agent with a browser.
//!
//! It says what the control socket says, and changes nothing. It is served by the listeners of the
//! metrics, where `status_page` asks for it, with their bounds on connections, and made on their
//! thread: once a second at the most, however many look, and never longer than a megabyte.
//!
//! It needs no script and has none. What it quotes of commands, containers and tasks is escaped
//! (`html`), and the browser is told to run, load and embed nothing whatever should get past that.
//!
//! * `html`: markup of ours and text of others. `render`: the sections. `rates`: what has happened
//!   in the last minute.

mod html;
mod rates;
mod render;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use parking_lot::Mutex;

use crate::exporter::{Body, PLAIN, Site, whole};
use crate::metrics::figures::Figures;
use crate::metrics::registry;
use crate::quantity;
use html::Html;
use rates::History;
use render::Counted;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const STYLE: &str = include_str!("status.css");
/// What the browser may do: show the page with its own style, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// Other pages, and other sites, may not read it through a browser.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// How long a page is good for all who ask.
const LIFE: Duration = Duration::from_secs(1);
/// Seconds after which a page may ask to be loaded again.
const REFRESHES: std::ops::RangeInclusive<u32> = 2..=3600;

/// What is behind `/status`.
pub(crate) struct StatusPage;

/// The page of this process.
static PAGE: Mutex<Option<Page>> = Mutex::new(None);

#[derive(Default)]
struct Page {
    history: History,
    /// When it was made, and what stands between head and foot.
    made: Option<(Instant, String)>,
}

impl Site for StatusPage {
    fn name(&self) -> &'static str {
        "status pages"
    }

    fn answer(&self, head: &Parts) -> Response<Body> {
        let host = head.headers.get(HOST);
        let is_own = host.is_none_or(|host| host.to_str().is_ok_and(is_this_machine));
        if !is_own {
            let text = "this machine has no such name: ask for it by an address, by localhost, or \
                        by its own name\n";
            return whole(StatusCode::MISDIRECTED_REQUEST, PLAIN, text.into());
        }
        if head.uri.path() == "/status.css" {
            return protected(whole(StatusCode::OK, CSS, STYLE.into()));
        }
        match refresh(head.uri.query()) {
            Ok(refresh) => protected(whole(StatusCode::OK, HTML, page(refresh).into())),
            Err(text) => whole(StatusCode::BAD_REQUEST, PLAIN, text.into()),
        }
    }
}

/// The seconds after which the page is loaded again, if the query asks for that.
fn refresh(query: Option<&str>) -> Result<Option<u32>, String> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(None) };
    let seconds = query.strip_prefix("refresh=").and_then(|text| text.parse().ok());
    let seconds = seconds.filter(|seconds| REFRESHES.contains(seconds)).ok_or_else(|| {
        let (least, most) = (REFRESHES.start(), REFRESHES.end());
        format!("accepted is refresh=SECONDS, from {least} to {most}\n")
    })?;
    Ok(Some(seconds))
}

/// Whether a request was sent to this machine under a name that is its own. A page of somebody
/// else's whose name leads here (DNS rebinding) would otherwise be allowed to read the answer. A
/// name without a dot is none that anybody can have outside of this network.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    if inside.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()) {
        return true;
    }
    let name = name.to_ascii_lowercase();
    if !name.contains('.') || name.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    // Not a file of a disk: the kernel says it at once.
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let own = own.trim().to_ascii_lowercase();
    name == own || !own.is_empty() && name.starts_with(&format!("{own}."))
}

/// An answer that a browser treats with care.
fn protected(mut response: Response<Body>) -> Response<Body> {
    let fields = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The page; one that was made a moment ago is good enough.
fn page(refresh: Option<u32>) -> String {
    let mut page = PAGE.lock();
    let page = page.get_or_insert_default();
    let now = Instant::now();
    if page.made.as_ref().is_none_or(|(made, _)| now.duration_since(*made) >= LIFE) {
        let figures = Figures::read(&registry().render());
        let (changed, over) = page.history.look(now, &figures);
        let counted = Counted { now: figures, changed, over };
        page.made = Some((now, render::render(&counted)));
    }
    let middle = page.made.as_ref().map(|(_, middle)| middle.as_str()).unwrap_or_default();
    head(refresh) + middle + FOOT
}

const FOOT: &str = "</main>\n<footer><p>Nothing can be changed here. \
                    <code>mesos-command</code> on this machine has more: <code>top</code>, \
                    <code>calls</code>, <code>kill</code>.</p></footer>\n</body>\n</html>\n";

fn head(refresh: Option<u32>) -> String {
    let mut html = Html::new(usize::MAX);
    html.markup(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<link rel=\"stylesheet\" href=\"/status.css\">\n",
    );
    if let Some(seconds) = refresh {
        html.markup("<meta http-equiv=\"refresh\" content=\"");
        html.text(&seconds.to_string());
        html.markup("\">\n");
    }
    html.markup("<title>Mesos command modules, process ");
    html.text(&std::process::id().to_string());
    html.markup(
        "</title>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n\
         <header>\n<h1>Mesos command modules</h1>\n<p>Process ",
    );
    html.text(&std::process::id().to_string());
    html.markup(", version ");
    html.text(env!("CARGO_PKG_VERSION"));
    html.markup(", at ");
    html.text(&quantity::clock(render::time()));
    html.markup("</p>\n<nav aria-label=\"This page\">\n<ul>\n");
    html.markup(match refresh {
        None => {
            "<li><a href=\"/status\">Load again</a></li>\n\
             <li><a href=\"/status?refresh=5\">Load every 5 seconds</a></li>\n"
        }
        Some(_) => "<li><a href=\"/status\">Stop loading again</a></li>\n",
    });
    html.markup(
        "<li><a href=\"#calls\">In flight</a></li>\n<li><a href=\"#events\">Events</a></li>\n\
         <li><a href=\"#failures\">Failures</a></li>\n<li><a href=\"#workers\">Workers</a></li>\n\
         <li><a href=\"#containers\">Containers</a></li>\n\
         <li><a href=\"/metrics\">Metrics</a></li>\n</ul>\n</nav>\n</header>\n<main id=\"main\">\n",
    );
    html.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let own = own.trim();
        for name in ["127.0.0.1:9464", "[::1]:9464", "[fe80::1]", "localhost:9464", "agent7", own] {
            assert!(is_this_machine(name), "{name}");
        }
        assert!(is_this_machine(&format!("{own}.example.org:9464")));
        for name in ["attacker.example", "127.0.0.1.attacker.example:9464", "x.localhost.example"] {
            assert!(!is_this_machine(name), "{name}");
        }
    }

    #[test]
    fn a_page_is_loaded_again_only_on_request() {
        assert_eq!((refresh(None), refresh(Some("refresh=5"))), (Ok(None), Ok(Some(5))));
        for query in ["refresh=1", "refresh=3601", "refresh=", "refresh=5&x", "x=1"] {
            let text = refresh(Some(query)).unwrap_err();
            assert!(text.contains("from 2 to 3600"), "{text}");
        }
        assert!(!head(None).contains("http-equiv"));
        assert!(head(Some(7)).contains("<meta http-equiv=\"refresh\" content=\"7\">"));
    }

    #[test]
    fn many_who_look_get_one_page() {
        let text = page(None);
        assert!(text.ends_with(FOOT) && text.contains("id=\"containers\""));
        let made = || PAGE.lock().as_ref().unwrap().made.as_ref().unwrap().0;
        let at = made();
        page(Some(5));
        assert!(made() == at || at.elapsed() >= LIFE);
    }
}
