//! `mesos-host soak`: the calls of `load` over several isolators, beside containers that live and
//! end, while somebody else does harm to commands, files and this process.
//!
//! `tests/soak/soak.py` is that somebody. This program only makes the calls, counts them, and
//! says which answers are not what the command says.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use load_generator::{Reply, Target};
use mesos_command::event::Event;
use serde_json::{Value, json};

use super::lives::Slot;
use super::troubles::{Call, Trouble, Troubles};
use super::{Host, Metrics, TIMEOUT, instant, metrics_function, metrics_text, wait_for_all};
use crate::clock;
use crate::mesos::{Future, Isolator, State};
use crate::options::HostArgs;
use crate::scenario::Arguments;
use crate::schema::Schema;

/// What usage answers with.
const STATISTICS: &str = "mesos.ResourceStatistics";
/// What the commands add to the number at the end of a container's name.
pub(super) const BASE: u64 = 1_000_000;

/// Which calls to make.
#[derive(Debug, clap::Args)]
pub(crate) struct Soak {
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    options: load_generator::Options,
    /// How many in turn of the load's containers each isolator gets, in the order of the modules
    /// file; the isolator after those gets containers that live and end
    #[arg(long, value_delimiter = ',', default_values_t = [17, 2, 1])]
    shares: Vec<usize>,
    /// How many such containers there are at a time
    #[arg(long, default_value_t = 8)]
    lives: u32,
}

/// Calls by module and event.
pub(super) type Made = BTreeMap<(String, Event), u64>;

/// A call whose answer has to be waited for.
struct Late {
    container: usize,
    begun: Duration,
    future: Future,
    reply: Reply,
}

/// Usage of the load's containers, over the isolators.
struct Spread<'a> {
    schema: &'a Schema,
    isolators: &'a [(String, Isolator)],
    /// The isolator of each container.
    places: Vec<usize>,
    usage: Vec<Arguments>,
    names: Vec<String>,
    metrics: Metrics,
    /// The clocks' common moment.
    moment: (Instant, Duration),
    /// To the thread that waits for answers; `None` ends it.
    late: Sender<Option<Late>>,
    troubles: &'a Troubles,
}

impl Target for Spread<'_> {
    fn call(&self, container: usize, reply: Reply) {
        let begun = clock::now();
        let isolator = &self.isolators[self.places[container]].1;
        let future = isolator.call(Event::Usage, self.usage[container].inputs());
        match future.wait(Duration::ZERO) {
            // The thread at the other end lives as long as calls are made.
            State::Pending => {
                drop(self.late.send(Some(Late { container, begun, future, reply })));
            }
            state => self.answered(Late { container, begun, future, reply }, state),
        }
    }

    fn metrics(&self) -> String {
        metrics_text(self.metrics)
    }
}

impl Spread<'_> {
    fn memory(&self, statistics: &[u8]) -> anyhow::Result<Option<u64>> {
        self.schema.number(STATISTICS, statistics, "mem_rss_bytes")
    }

    /// Judges an answer, and takes its time on the thread that completed it.
    fn answered(&self, late: Late, state: State) {
        let Late { container, begun, future, reply } = late;
        let value = future.value().unwrap_or_default();
        let found = match state {
            State::Ready if future.abandoned() => Some(Trouble::Discarded),
            State::Ready => judge(self.memory(&value), BASE + container as u64),
            State::Failed => Some(Trouble::Failure),
            State::Discarded => Some(Trouble::Discarded),
            State::Pending => Some(Trouble::Unanswered),
        };
        if let Some(trouble) = found {
            let call = Call {
                module: &self.isolators[self.places[container]].0,
                event: Event::Usage,
                container: &self.names[container],
                begun,
            };
            let text = String::from_utf8_lossy(&value);
            self.troubles.tell(trouble, call, &text);
        }
        if state != State::Pending {
            reply.answered_at(instant(self.moment, future.completed_ns()));
        }
    }
}

/// What is wrong with this memory of a container, which must be `expected`.
fn judge(memory: anyhow::Result<Option<u64>>, expected: u64) -> Option<Trouble> {
    match memory {
        Ok(Some(memory)) if memory == expected => None,
        Ok(None) => Some(Trouble::Empty),
        Ok(Some(_)) | Err(_) => Some(Trouble::Wrong),
    }
}

/// Waits for futures in the order of their calls.
fn collect_late(futures: Receiver<Option<Late>>, spread: &Spread<'_>) {
    for late in futures.into_iter().map_while(|it| it) {
        let state = late.future.wait(TIMEOUT);
        spread.answered(late, state);
    }
}

/// Plays the load and the lives, prints what came of them, and stays as it is until the standard
/// input ends, so that it can be looked at.
pub(crate) fn soak(Soak { host, options, shares, lives }: &Soak) -> anyhow::Result<bool> {
    options.schedule().map_err(|problem| anyhow!(problem))?;
    let host = Host::open(host, options.json)?;
    let places = places(shares, &host, options.containers as usize)?;
    let prepare = host.arguments(Event::Prepare, options.containers)?;
    all(&host, &places, Event::Prepare, &prepare)?;
    println!("{}", json!({"begun": clock::now().as_secs_f64()}));
    let troubles = Troubles::default();
    let (report, mut made) = play(&host, options, &places, shares.len(), *lives, &troubles)?;
    let cleanup = host.arguments(Event::Cleanup, options.containers)?;
    all(&host, &places, Event::Cleanup, &cleanup)?;
    for place in &places {
        for event in [Event::Prepare, Event::Cleanup] {
            *made.entry((host.isolators[*place].0.clone(), event)).or_default() += 1;
        }
    }
    let (found, omitted) = troubles.counts();
    println!(
        "{}",
        json!({"load": report, "made": by_module(&made), "troubles": found, "omitted": omitted})
    );
    // Whoever started this looks at the process now.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(true)
}

/// Which isolator each container gets.
fn places(shares: &[usize], host: &Host, containers: usize) -> anyhow::Result<Vec<usize>> {
    let turn: Vec<_> =
        shares.iter().enumerate().flat_map(|(place, share)| vec![place; *share]).collect();
    if turn.is_empty() || shares.len() >= host.isolators.len() {
        bail!("{} isolators cannot have {} shares and lives", host.isolators.len(), shares.len());
    }
    Ok(turn.iter().copied().cycle().take(containers).collect())
}

/// Calls an event for every container of the load.
fn all(host: &Host, places: &[usize], event: Event, calls: &[Arguments]) -> anyhow::Result<()> {
    for (place, (_, isolator)) in host.isolators.iter().enumerate() {
        let own = places.iter().zip(calls).filter(|(its, _)| **its == place);
        let futures: Vec<_> =
            own.map(|(_, arguments)| isolator.call(event, arguments.inputs())).collect();
        wait_for_all(event, &futures)?;
    }
    Ok(())
}

/// Both kinds of calls; the load's report and how often each was made.
fn play(
    host: &Host,
    options: &load_generator::Options,
    places: &[usize],
    living: usize,
    lives: u32,
    troubles: &Troubles,
) -> anyhow::Result<(Value, Made)> {
    let (late, futures) = channel();
    let spread = Spread {
        schema: &host.schema,
        isolators: &host.isolators,
        places: places.to_vec(),
        usage: host.arguments(Event::Usage, options.containers)?,
        names: (0..options.containers).map(|number| format!("load-{number}")).collect(),
        metrics: metrics_function(&host.modules.json)?,
        moment: (Instant::now(), clock::now()),
        late: late.clone(),
        troubles,
    };
    let slots = (0..lives)
        .map(|slot| Slot::new(host, &host.isolators[living], slot, troubles))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let ended = AtomicBool::new(false);
    let (report, lived) = std::thread::scope(|scope| {
        let (spread, ended) = (&spread, &ended);
        let waiter = scope.spawn(move || collect_late(futures, spread));
        let slots: Vec<_> =
            slots.iter().map(|slot| scope.spawn(move || slot.live(ended))).collect();
        let report = load_generator::run(options, spread, None);
        ended.store(true, Ordering::Release);
        let lived: Vec<_> = slots.into_iter().map(|slot| slot.join()).collect();
        drop(late.send(None));
        waiter.join().map(|()| (report, lived))
    })
    .map_err(|_| anyhow!("the thread that waits for answers panicked"))?;
    let report = report.map_err(|problem| anyhow!(problem))?;
    let mut made = Made::new();
    for counted in lived {
        let counted = counted.map_err(|_| anyhow!("a thread of the lives panicked"))??;
        for (call, count) in counted {
            *made.entry(call).or_default() += count;
        }
    }
    // The load goes round its containers.
    let (calls, containers) = (report.made(), places.len() as u64);
    for (number, place) in places.iter().enumerate() {
        let count = calls / containers + u64::from((number as u64) < calls % containers);
        *made.entry((host.isolators[*place].0.clone(), Event::Usage)).or_default() += count;
    }
    Ok((report.json(), made))
}

/// The same as JSON.
fn by_module(made: &Made) -> Value {
    let mut calls = BTreeMap::<&str, BTreeMap<&str, u64>>::new();
    for ((module, event), count) in made {
        calls.entry(module).or_default().insert(event.label(), *count);
    }
    json!(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_right_missing_or_wrong() {
        assert_eq!(judge(Ok(Some(BASE + 1)), BASE + 1), None);
        assert_eq!(judge(Ok(Some(BASE + 1)), BASE + 2), Some(Trouble::Wrong));
        assert_eq!(judge(Ok(None), BASE), Some(Trouble::Empty));
        assert_eq!(judge(Err(anyhow!("no message")), BASE), Some(Trouble::Wrong));
    }
}
