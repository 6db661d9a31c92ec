//! The paths of the control socket. `docs/control-socket.md` describes each for people.

use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::events::{self, Filter};
use super::query::Query;
use super::reload::{PATIENCE, reloader};
use super::{Instance, Wanted, gather, instances};
use crate::event::Event;
use crate::exporter::{Body, Client, Later, Site, exposition, whole, with_body};
use crate::metrics::registry;
use crate::outcome::OutcomeKind;

/// Version of paths and answers: the `v1` of the paths. What is added to answers does not change
/// it.
const VERSION: u32 = 1;
const JSON: &str = "application/json";
/// Entries of a list unless a request says otherwise, and at the most.
const USUAL: usize = 1000;
const MOST: usize = 10_000;
/// Containers with context and value in one answer.
const MOST_WHOLE: usize = 100;
/// The path of the metrics, the same as at `metrics_address`.
const METRICS: [&str; 1] = ["metrics"];
/// The path of the stream.
const EVENTS: [&str; 2] = ["v1", "events"];
const LINES: &str = "application/x-ndjson";

/// The path at which parameters are taken from the modules file anew.
const RELOAD: [&str; 2] = ["v1", "reload"];

/// What is behind the control socket.
pub(super) struct Api;

/// Why a request gets no answer.
struct Refusal(StatusCode, String);

type Answer = Result<Value, Refusal>;

fn bad(text: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, text)
}

impl Site for Api {
    fn name(&self) -> &'static str {
        "control requests"
    }

    /// Root, and the user of this process. The file's mode lets nobody else in; this holds even
    /// when somebody has changed it.
    fn admits(&self, client: Client) -> bool {
        let own = nix::unistd::geteuid().as_raw();
        matches!(client, Client::User(user) if user == 0 || user == own)
    }

    fn later(&self, head: &Parts) -> Option<Later> {
        let is_reload = path_of(head) == RELOAD && head.method == Method::POST && !has_body(head);
        is_reload.then(|| reload(head.uri.query()))
    }

    fn answer(&self, head: &Parts) -> Response<Body> {
        if has_body(head) {
            let text = "no request here has a body: what it says stands in path and query";
            return refuse(&Refusal(StatusCode::PAYLOAD_TOO_LARGE, text.to_owned()), None);
        }
        let path = path_of(head);
        let Some(allowed) = method(&path) else {
            let text =
                "not found: try /v1/status, /v1/calls, /v1/failures, /v1/containers, /metrics";
            return refuse(&Refusal(StatusCode::NOT_FOUND, text.to_owned()), None);
        };
        if head.method != allowed {
            let text = format!("accepted is {allowed}");
            return refuse(&Refusal(StatusCode::METHOD_NOT_ALLOWED, text), Some(&allowed));
        }
        if path == METRICS {
            return exposition(registry());
        }
        if path == EVENTS {
            return follow(head.uri.query()).unwrap_or_else(|refusal| refuse(&refusal, None));
        }
        match answer(&path, head.uri.query()) {
            Ok(value) => response(StatusCode::OK, value),
            Err(refusal) => refuse(&refusal, None),
        }
    }
}

fn path_of(head: &Parts) -> Vec<&str> {
    head.uri.path().trim_start_matches('/').split('/').collect()
}

/// Whether something comes behind the head that nobody would read.
fn has_body(head: &Parts) -> bool {
    let length = head.headers.get(CONTENT_LENGTH);
    length.is_some_and(|length| length != "0") || head.headers.contains_key(TRANSFER_ENCODING)
}

/// The method of a path; `None`: there is no such path.
fn method(path: &[&str]) -> Option<Method> {
    match path {
        ["metrics"] => Some(Method::GET),
        ["v1", "status" | "calls" | "failures" | "containers" | "events"] => Some(Method::GET),
        ["v1", "calls", _, "kill"] | ["v1", "breakers", _, "reset"] => Some(Method::POST),
        ["v1", "log-level" | "reload"] => Some(Method::POST),
        _ => None,
    }
}

fn answer(path: &[&str], query: Option<&str>) -> Answer {
    let parse = |known: &[&str]| Query::parse(query, known).map_err(bad);
    match path {
        [_, "status"] => {
            let query = parse(&["module"])?;
            let all: Vec<Value> = chosen(&query)?.iter().map(|one| one.status()).collect();
            Ok(json!({"instances": all}))
        }
        [_, "calls"] => calls(&parse(&["module", "limit"])?),
        [_, "failures"] => {
            let query = parse(&["module"])?;
            Ok(json!({"failures": gather::failures(&chosen(&query)?)}))
        }
        [_, "containers"] => containers(&parse(&["module", "container", "whole", "limit"])?),
        [_, "calls", id, _] => kill(id, &parse(&[])?),
        [_, "log-level"] => log_level(&parse(&["module", "debug"])?),
        [_, "breakers", event, _] => reset(event, &parse(&["module"])?),
        _ => Err(Refusal(StatusCode::NOT_FOUND, "not found".to_owned())),
    }
}

/// The instances that a request is about: all, or those with the name that it gives.
fn chosen(query: &Query) -> Result<Vec<std::sync::Arc<dyn Instance>>, Refusal> {
    let mut all = instances();
    if let Some(name) = query.get("module") {
        let known: Vec<String> = all.iter().map(|one| one.module().to_owned()).collect();
        all.retain(|one| one.module() == name);
        if all.is_empty() {
            let text = format!("no instance is called '{name}'; there are: {}", known.join(", "));
            return Err(Refusal(StatusCode::NOT_FOUND, text));
        }
    }
    Ok(all)
}

fn calls(query: &Query) -> Answer {
    let most = query.count("limit", USUAL, MOST).map_err(bad)?;
    let (all, left_out) = gather::calls(&chosen(query)?, most);
    Ok(json!({"calls": all, "left_out": left_out}))
}

fn containers(query: &Query) -> Answer {
    let whole = query.flag("whole").map_err(bad)?;
    let container = query.get("container").map(str::to_owned);
    let whole = whole.unwrap_or(container.is_some());
    let (usual, most) = if whole { (MOST_WHOLE, MOST_WHOLE) } else { (USUAL, MOST) };
    let most = query.count("limit", usual, most).map_err(bad)?;
    let wanted = Wanted { container, whole, most };
    let (all, left_out) = gather::containers(&chosen(query)?, &wanted);
    if let Some(container) = wanted.container.filter(|_| all.is_empty() && left_out == 0) {
        let text = format!("no instance knows a container '{container}'");
        return Err(Refusal(StatusCode::NOT_FOUND, text));
    }
    Ok(json!({"containers": all, "left_out": left_out}))
}

fn kill(id: &str, _query: &Query) -> Answer {
    let Ok(number) = id.parse::<u64>() else {
        return Err(bad(format!("'{id}' is no number of a call: /v1/calls lists them")));
    };
    let killed = instances().iter().find_map(|instance| instance.kill(number));
    match killed {
        Some(call) => Ok(json!({"killed": call})),
        None => {
            let text = format!("no call {number} is in flight: it has ended, or never was");
            Err(Refusal(StatusCode::NOT_FOUND, text))
        }
    }
}

fn log_level(query: &Query) -> Answer {
    let Some(on) = query.flag("debug").map_err(bad)? else {
        return Err(bad("'debug' is missing; accepted are true and false".to_owned()));
    };
    let changed = chosen(query)?;
    changed.iter().for_each(|instance| instance.set_debug(on));
    tracing::info!("debug={on} for {} instances, by the control socket", changed.len());
    let names = |one: &std::sync::Arc<dyn Instance>| json!({"kind": one.kind().word(), "module": one.module(), "debug": on});
    Ok(json!({"instances": changed.iter().map(names).collect::<Vec<_>>()}))
}

fn reset(event: &str, query: &Query) -> Answer {
    let Some(event) = Event::from_prefix(event) else {
        let known = Event::ALL.map(Event::label).join(", ");
        return Err(Refusal(
            StatusCode::NOT_FOUND,
            format!("no event '{event}'; there are: {known}"),
        ));
    };
    let mut reset = Vec::new();
    for instance in chosen(query)? {
        if let Some(was_suspended) = instance.reset_breaker(event) {
            let module = instance.module();
            tracing::info!(
                "hook module '{module}': {event:?} is no longer suspended, by an operator"
            );
            reset.push(json!({"module": module, "event": event.label(),
                              "was_suspended": was_suspended}));
        }
    }
    if reset.is_empty() {
        let text = format!("no hook has a command for {}", event.label());
        return Err(Refusal(StatusCode::NOT_FOUND, text));
    }
    Ok(json!({"reset": reset}))
}

/// Reloads, and answers when that has ended, or has taken too long to be waited for.
fn reload(query: Option<&str>) -> Later {
    let begun = Query::parse(query, &["module"]).map_err(bad).and_then(|query| {
        chosen(&query)?;
        let nobody = || Refusal(StatusCode::NOT_FOUND, "there is no instance".to_owned());
        let (sender, ended) = tokio::sync::oneshot::channel();
        // The receiver is gone when the client was not waited for.
        let answer = move |result| drop(sender.send(result));
        reloader().ok_or_else(nobody)?.reload(query.get("module"), Box::new(answer));
        Ok(ended)
    });
    Box::pin(async move {
        let ended = match begun {
            Ok(ended) => ended,
            Err(refusal) => return refuse(&refusal, None),
        };
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(Ok(Ok(value))) => response(StatusCode::OK, value),
            Ok(Ok(Err(text))) => refuse(&Refusal(StatusCode::CONFLICT, text), None),
            Ok(Err(_)) => {
                let text = "the reload has failed without a word: the log may have one";
                refuse(&Refusal(StatusCode::INTERNAL_SERVER_ERROR, text.to_owned()), None)
            }
            Err(_) => {
                let text = "the reload goes on: the file system of the modules file, or of a \
                            command, does not answer; the log will say what came of it";
                refuse(&Refusal(StatusCode::GATEWAY_TIMEOUT, text.to_owned()), None)
            }
        }
    })
}

/// The stream of finished calls.
fn follow(query: Option<&str>) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(query, &events::KEYS).map_err(bad)?;
    if let Some(event) = query.get("event").filter(|event| Event::from_prefix(event).is_none()) {
        let known = Event::ALL.map(Event::label).join(", ");
        return Err(bad(format!("no event '{event}'; there are: {known}")));
    }
    let known = OutcomeKind::ALL.map(OutcomeKind::label);
    if let Some(outcome) = query.get("outcome").filter(|outcome| !known.contains(outcome)) {
        return Err(bad(format!("no outcome '{outcome}'; there are: {}", known.join(", "))));
    }
    chosen(&query)?;
    let filter: Filter = events::KEYS
        .into_iter()
        .filter_map(|key| Some((key, query.get(key)?.to_owned())))
        .collect();
    match events::follow(filter, &signed(json!({"following": true}))) {
        Some(body) => Ok(with_body(StatusCode::OK, LINES, body)),
        None => {
            let text = "as many follow already as are allowed (8)";
            Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, text.to_owned()))
        }
    }
}

/// What every answer says of who gives it.
fn signed(mut value: Value) -> Value {
    value["api"] = json!(VERSION);
    value["pid"] = json!(std::process::id());
    value["version"] = json!(env!("CARGO_PKG_VERSION"));
    value
}

fn response(status: StatusCode, value: Value) -> Response<Body> {
    whole(status, JSON, Bytes::from(format!("{}\n", signed(value))))
}

fn refuse(refusal: &Refusal, allowed: Option<&Method>) -> Response<Body> {
    let mut response = response(refusal.0, json!({"error": refusal.1}));
    if let Some(allowed) = allowed.and_then(|it| HeaderValue::from_str(it.as_str()).ok()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}
