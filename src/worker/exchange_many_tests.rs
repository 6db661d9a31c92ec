//! Several requests at a time, and cancels.

use super::*;

#[test]
fn answers_come_in_any_order_and_room_comes_with_them() {
    let mut exchange = three();
    for id in [7, 8, 9] {
        assert!(exchange.has_room());
        ask(&mut exchange, id);
    }
    assert!(!exchange.has_room());
    assert_eq!(answered(&mut exchange, "{\"id\":9}\n{\"id\":7}\n{\"id"), Ok(vec![9, 7]));
    assert!(exchange.has_room() && !exchange.is_idle());
    ask(&mut exchange, 10);
    assert_eq!(answered(&mut exchange, "\":8}\n{\"id\":10}\n"), Ok(vec![8, 10]));
    assert!(exchange.is_idle());
}

#[test]
fn only_what_was_asked_may_be_answered_and_once() {
    let stray = |id| {
        let shown = format!("\"{{\\\"id\\\":{id}}}\"");
        Err(Fault::Stray(format!(
            "answered request {id}, which it was not asked or has answered: {shown}"
        )))
    };
    let begun = || {
        let mut exchange = three();
        for id in [7, 8, 9] {
            ask(&mut exchange, id);
        }
        exchange
    };
    assert_eq!(answered(&mut begun(), "{\"id\":10}\n"), stray(10));
    assert_eq!(answered(&mut begun(), "{\"id\":7}\n{\"id\":7}\n"), stray(7));
    let mut exchange = begun();
    assert_eq!(answered(&mut exchange, "{\"id\":7}\n{\"id\":8}\n"), Ok(vec![7, 8]));
    let after = "said \"{\\\"id\\\":9}\\n\" after its answer; did it print to stdout?";
    assert_eq!(answered(&mut exchange, "{\"id\":9}\n{\"id\":9}\n"), Err(protocol(after)));
}

#[test]
fn a_cancel_follows_its_request_and_is_answered_by_its_answer() {
    let mut exchange = three();
    assert!(exchange.takes_cancels());
    ask(&mut exchange, 7);
    exchange.cancel(7);
    assert_eq!(flush(&mut exchange), "{\"cancel\":7}\n");
    assert!(!exchange.is_idle(), "it owes the answer all the same");
    assert_eq!(answered(&mut exchange, "{\"id\":7}\n"), Ok(vec![7]));
    assert!(exchange.is_idle());
}

/// Lines are never mixed, however much of each the pipe takes, and whoever has it at that time.
#[test]
fn a_cancel_waits_for_the_end_of_a_line() {
    let mut exchange = three();
    ask(&mut exchange, 7);
    exchange.ask(8, "isolator_usage", None, b"{}", Vec::new());
    let mut first = exchange.take_outgoing().expect("a line");
    exchange.cancel(7);
    assert!(!exchange.writes(), "a driver has the line before it");
    let mut whole = first.rest()[..3].to_vec();
    first.written = 3;
    assert_eq!(exchange.put_back(first), Ok(None));
    exchange.cancel(8);
    whole.extend_from_slice(flush(&mut exchange).as_bytes());
    let expected =
        "{\"id\":8,\"event\":\"isolator_usage\",\"input\":{}}\n{\"cancel\":7}\n{\"cancel\":8}\n";
    assert_eq!(String::from_utf8_lossy(&whole), expected);
}

#[test]
fn a_worker_that_does_not_read_gets_nothing_more() {
    let mut exchange = three();
    ask(&mut exchange, 7);
    exchange.ask(8, "isolator_usage", None, b"{}", Vec::new());
    assert!(!exchange.has_room() && exchange.is_unseen(8) && !exchange.is_unseen(7));
    let mut outgoing = exchange.take_outgoing().expect("a line");
    assert!(!exchange.has_room(), "a driver writes");
    outgoing.written = 1;
    assert_eq!(exchange.put_back(outgoing), Ok(None));
    assert!(!exchange.has_room() && !exchange.is_unseen(8));
    assert_eq!(answered(&mut exchange, "{\"id\":7}\n"), Ok(vec![7]));
    assert!(!exchange.has_room());
}

/// Nobody would wait for them any more, so they are no reason to ask nothing.
#[test]
fn cancels_that_wait_for_room_keep_no_request_away() {
    let mut exchange = three();
    ask(&mut exchange, 7);
    exchange.cancel(7);
    assert_eq!(answered(&mut exchange, "{\"id\":7}\n"), Ok(vec![7]));
    assert!(exchange.is_idle() && exchange.has_room() && exchange.writes());
    exchange.ask(8, "isolator_usage", None, b"{}", Vec::new());
    assert!(exchange.is_unseen(8));
    let all = flush(&mut exchange);
    assert!(all.starts_with("{\"cancel\":7}\n{\"id\":8,"), "{all}");
}

#[test]
fn a_request_that_was_not_read_has_no_answer() {
    let mut exchange = three();
    ask(&mut exchange, 7);
    exchange.ask(8, "isolator_usage", None, b"{}", Vec::new());
    let outgoing = exchange.take_outgoing().expect("a line");
    assert_eq!(answered(&mut exchange, "{\"id\":8}\n"), Ok(vec![8]), "it may have been read");
    let early = Err(protocol("answered request 8 before it had read it"));
    assert_eq!(exchange.put_back(outgoing), early);
}

#[test]
fn a_worker_gets_no_more_at_a_time_than_it_may() {
    let exchange = greeted("{\"ready\":1,\"multiplex\":1000}\n");
    assert_eq!((exchange.excess(), exchange.takes_cancels()), (Some(1000), false));
    let mut exchange = exchange;
    (1..=16).for_each(|id| ask(&mut exchange, id));
    assert!(!exchange.has_room());
    assert_eq!(three().excess(), None);
    assert_eq!(greeted("{\"ready\":1}\n").excess(), None);
}
