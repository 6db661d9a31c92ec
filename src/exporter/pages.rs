//! `/metrics` and `/healthz`.

use hyper::header::{ALLOW, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::site::{Body, PLAIN, Site, whole};
use crate::metrics::Registry;

/// Content type of the exposition format 0.0.4.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a listener for metrics serves.
impl Site for Registry {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn answer(&self, head: &Parts) -> Response<Body> {
        let path = head.uri.path();
        if !matches!(path, "/metrics" | "/healthz") {
            return whole(StatusCode::NOT_FOUND, PLAIN, "not found: try /metrics\n".into());
        }
        // The body of an answer to HEAD is left out by the server.
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let mut refusal = whole(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n".into());
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        if path == "/healthz" {
            return whole(StatusCode::OK, PLAIN, "ok\n".into());
        }
        whole(StatusCode::OK, EXPOSITION, self.render().into())
    }
}
