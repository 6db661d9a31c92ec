//! What a listener for metrics serves: `/metrics`, `/healthz`, `/`, and the status page where an
//! instance asks for it.

use std::sync::OnceLock;

use hyper::header::{ALLOW, CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::site::{Body, PLAIN, Site, whole};
use crate::metrics::Registry;

/// Content type of the exposition format 0.0.4.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Where the status page is; its style is beside it.
pub(super) const STATUS: &str = "/status";
const STYLE: &str = "/status.css";
const INDEX: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
                     <title>Mesos command modules</title></head>\n<body><main>\n\
                     <h1>Mesos command modules</h1>\n<ul>\n\
                     <li><a href=\"/metrics\">Metrics</a> for Prometheus</li>\n";
const INDEX_STATUS: &str = "<li><a href=\"/status\">Status</a> for people</li>\n";
const INDEX_END: &str = "</ul>\n</main></body>\n</html>\n";

/// What the listener of one address serves.
pub(crate) struct Pages {
    registry: &'static Registry,
    status: OnceLock<&'static dyn Site>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("status", &self.have_status()).finish_non_exhaustive()
    }
}

impl Pages {
    /// The metrics alone.
    pub(crate) fn new(registry: &'static Registry) -> Pages {
        Pages { registry, status: OnceLock::new() }
    }

    /// Serves the status page too; whether it was not served before.
    pub(crate) fn show_status(&self, page: &'static dyn Site) -> bool {
        self.status.set(page).is_ok()
    }

    pub(super) fn have_status(&self) -> bool {
        self.status.get().is_some()
    }
}

impl Site for Pages {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn answer(&self, head: &Parts) -> Response<Body> {
        let status = self.status.get();
        match head.uri.path() {
            STATUS | STYLE if status.is_some() => {}
            "/" | "/metrics" | "/healthz" => {}
            _ => return whole(StatusCode::NOT_FOUND, PLAIN, "not found: try /metrics\n".into()),
        }
        // The body of an answer to HEAD is left out by the server.
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let mut refusal = whole(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n".into());
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match (head.uri.path(), status) {
            ("/healthz", _) => whole(StatusCode::OK, PLAIN, "ok\n".into()),
            ("/", _) => index(status.is_some()),
            (STATUS | STYLE, Some(page)) => page.answer(head),
            _ => exposition(self.registry),
        }
    }
}

/// All series.
pub(crate) fn exposition(registry: &Registry) -> Response<Body> {
    whole(StatusCode::OK, EXPOSITION, registry.render().into())
}

/// The way to what there is.
fn index(has_status: bool) -> Response<Body> {
    let text = [INDEX, if has_status { INDEX_STATUS } else { "" }, INDEX_END].concat();
    let mut response = whole(StatusCode::OK, "text/html; charset=utf-8", text.into());
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}
