//! The live view: looks, keys and signals, until somebody has seen enough.

use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::terminal;
use crate::{PROBLEMS, SUCCESS, UNKNOWN};

use super::super::client::NoAnswer;
use super::keys::keys;
use super::look::{Look, Window};
use super::screen::Screen;
use super::ui::{Ui, Wish};
use super::view::View;
use super::{Top, draw};

/// How long an answer is waited for before the keys are looked at again.
const IMPATIENCE: Duration = Duration::from_millis(50);
/// The size of a terminal that does not say it.
const USUAL: (usize, usize) = (80, 24);

/// Asks the agent on a thread of its own, so that keys are heard while it does not answer.
struct Asker {
    ask: Sender<()>,
    answers: Receiver<Result<Look, NoAnswer>>,
    is_asking: bool,
    next: Instant,
}

impl Asker {
    fn start(arguments: &Top) -> io::Result<Asker> {
        let (ask, asked) = channel::<()>();
        let (answer, answers) = channel();
        let (agent, module) = (arguments.agent.clone(), arguments.module.clone());
        std::thread::Builder::new().name("asker".to_owned()).spawn(move || {
            while asked.recv().is_ok() {
                if answer.send(Look::take(&agent, module.as_deref())).is_err() {
                    return;
                }
            }
        })?;
        let next = Instant::now() + arguments.interval;
        Ok(Asker { ask, answers, is_asking: false, next })
    }

    /// Asks if it is time to, and takes an answer that has come.
    fn step(&mut self, ui: &Ui) -> Option<Result<Look, NoAnswer>> {
        if !self.is_asking && !ui.is_paused && Instant::now() >= self.next {
            // The thread ends with this value.
            self.is_asking = self.ask.send(()).is_ok();
        }
        let answer = self.answers.try_recv().ok()?;
        self.is_asking = false;
        self.next = Instant::now() + ui.interval;
        Some(answer)
    }

    /// How long nothing is to be done for it.
    fn rest(&self, ui: &Ui) -> PollTimeout {
        let rest = match (self.is_asking, ui.is_paused) {
            (true, _) => IMPATIENCE,
            (false, true) => return PollTimeout::NONE,
            (false, false) => self.next.saturating_duration_since(Instant::now()),
        };
        // Rounded up, so that it is time then.
        PollTimeout::try_from(rest + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    }
}

/// Shows the agent until a key or a signal ends it; the exit status.
pub(super) fn run(arguments: &Top) -> anyhow::Result<u8> {
    let first = match Look::take(&arguments.agent, arguments.module.as_deref()) {
        Ok(look) => look,
        Err(why) => {
            eprintln!("mesos-command: {why}");
            return Ok(if matches!(why, NoAnswer::Refused(_)) { PROBLEMS } else { UNKNOWN });
        }
    };
    // Before the thread, which inherits what is blocked.
    let mut wanted = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGWINCH] {
        wanted.add(signal);
    }
    wanted.thread_block()?;
    let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut asker = Asker::start(arguments)?;
    let mut ui = Ui::new(arguments.filter.clone(), arguments.interval);
    let mut window = Window::new(first);
    let screen = Screen::open()?;
    let mut trouble = None;
    let signal = loop {
        let (width, height) = terminal::size().unwrap_or(USUAL);
        let view = View::of(&window, &ui.filter);
        let lines = draw::screen(&view, &mut ui, (width, height), trouble.as_deref());
        screen.show(&lines, width)?;
        let input = io::stdin();
        let descriptors = &mut [
            PollFd::new(input.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(descriptors, asker.rest(&ui)) {
            // The process was stopped, and goes on.
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        let [is_key, _] = [0, 1].map(|at| descriptors[at].any().unwrap_or_default());
        if let Some(signal) = ending(&signals)? {
            break Some(signal);
        }
        if is_key && matches!(take_keys(&mut ui, &mut asker)?, Wish::End) {
            break None;
        }
        match asker.step(&ui) {
            Some(Ok(look)) => {
                trouble = None;
                window.add(look);
            }
            Some(Err(why)) => trouble = Some(why.to_string()),
            None => {}
        }
    };
    drop(screen);
    if let Some(signal) = signal {
        // As whoever sent it expects.
        wanted.thread_unblock()?;
        raise(signal)?;
    }
    Ok(SUCCESS)
}

/// The signal that ends it, if one has come. Another size of the terminal needs no more than
/// another picture.
fn ending(signals: &SignalFd) -> anyhow::Result<Option<Signal>> {
    while let Some(got) = signals.read_signal()? {
        let signal = i32::try_from(got.ssi_signo).ok().and_then(|it| Signal::try_from(it).ok());
        if let Some(signal) = signal.filter(|signal| *signal != Signal::SIGWINCH) {
            return Ok(Some(signal));
        }
    }
    Ok(None)
}

/// Takes what was typed. A terminal that is gone ends it.
fn take_keys(ui: &mut Ui, asker: &mut Asker) -> anyhow::Result<Wish> {
    let mut bytes = [0; 256];
    let count = nix::unistd::read(io::stdin().as_fd(), &mut bytes)?;
    if count == 0 {
        return Ok(Wish::End);
    }
    for key in keys(&bytes[..count]) {
        match ui.press(key) {
            Wish::Nothing => {}
            Wish::Look => asker.next = Instant::now(),
            Wish::End => return Ok(Wish::End),
        }
    }
    Ok(Wish::Nothing)
}
