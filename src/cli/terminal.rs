//! What the terminal is like: colours and width; and what is done when nobody reads any more.

use std::any::Any;
use std::io::IsTerminal;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;

use clap::ColorChoice;

/// The width where there is no terminal: output that goes to a file does not depend on a window.
const WIDTH: usize = 120;

static COLOURS: OnceLock<ColorChoice> = OnceLock::new();

/// Takes over what the command line says; `auto` means colours on terminals only, and none where
/// `NO_COLOR` is set or the terminal is dumb.
pub(crate) fn set_colours(choice: ColorChoice) {
    // Set once, at the start.
    let _ = COLOURS.set(choice);
}

/// Whether standard output gets colours.
pub(crate) fn has_colours() -> bool {
    match COLOURS.get().copied().unwrap_or_default() {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
        }
    }
}

/// Columns and lines of the terminal on standard output; `None` where it is none.
pub(crate) fn size() -> Option<(usize, usize)> {
    let (width, height) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some((width.0.into(), height.0.into())).filter(|(width, height)| *width > 0 && *height > 0)
}

/// Columns of the terminal on standard output; `None` where it is none.
pub(crate) fn columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(width.0.into()).filter(|columns| *columns >= 40)
}

/// The same, and a width for what goes to a file.
pub(crate) fn width() -> usize {
    columns().unwrap_or(WIDTH)
}

/// The exit status when nobody reads any more what is printed: as a shell tells of SIGPIPE.
pub(crate) const READER_GONE: u8 = 128 + 13;

/// Runs the program; `None` when the reader of its output has gone (`mesos-command check | head`).
///
/// SIGPIPE cannot end it, because it would also come from a worker that ends. So printing panics,
/// and the stack is unwound, with which directories of calls are removed; nothing is said of it.
pub(crate) fn until_reader_is_gone<T>(run: impl FnOnce() -> T) -> Option<T> {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_reader_gone(panic.payload()) {
            usual(panic);
        }
    }));
    match std::panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => Some(done),
        Err(payload) if is_reader_gone(&*payload) => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Whether a panic is that of `print!` when a pipe has no reader.
fn is_reader_gone(payload: &(dyn Any + Send)) -> bool {
    let text = payload.downcast_ref::<String>();
    text.is_some_and(|text| {
        text.starts_with("failed printing to stdout") && text.contains("Broken pipe")
    })
}
