//! What the terminal is like: colours and width.

use std::io::IsTerminal;
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

/// Columns of the terminal on standard output; `None` where it is none.
pub(crate) fn columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(width.0.into()).filter(|columns| *columns >= 40)
}

/// The same, and a width for what goes to a file.
pub(crate) fn width() -> usize {
    columns().unwrap_or(WIDTH)
}
