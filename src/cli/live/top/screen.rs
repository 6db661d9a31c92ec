//! The terminal while `top` has it: no echo, every key at once, the other screen.
//!
//! Plain control sequences (ECMA-48, and those of xterm that every terminal of today has) do all
//! that is needed here; a library for terminals would be many times larger than this.

use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::sys::termios::{self, InputFlags, LocalFlags, SetArg, Termios};

use crate::live::mark::Mark;

/// The other screen; no cursor; what is too long for a line is cut there.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The terminal; given back as it was when dropped.
pub(super) struct Screen {
    before: Termios,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Marked(Mark),
    /// Of a table.
    Head,
    /// The last line.
    Foot,
}

impl Style {
    pub(super) const PLAIN: Style = Style::Marked(Mark::Plain);
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard input is none.
    pub(super) fn open() -> io::Result<Screen> {
        let input = io::stdin();
        let before = termios::tcgetattr(input.as_fd())?;
        let mut raw = before.clone();
        // Output is left as it is: a line feed begins a line.
        raw.input_flags.remove(InputFlags::ICRNL | InputFlags::IXON);
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        termios::tcsetattr(input.as_fd(), SetArg::TCSAFLUSH, &raw)?;
        let screen = Screen { before };
        write(ENTER)?;
        Ok(screen)
    }

    /// Shows these lines and nothing else.
    pub(super) fn show(&self, lines: &[(String, Style)], width: usize) -> io::Result<()> {
        let mut text = String::from("\x1b[H");
        for (number, (line, style)) in lines.iter().enumerate() {
            if number > 0 {
                text += "\r\n";
            }
            text += &styled(line, *style, width);
            text += "\x1b[K";
        }
        text += "\x1b[J";
        write(&text)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs neither.
        let _ = write(LEAVE);
        let _ = termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.before);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A line with its style, where colours are wanted.
pub(super) fn styled(line: &str, style: Style, width: usize) -> String {
    match style {
        Style::Marked(mark) => mark.of(line),
        Style::Head | Style::Foot if crate::terminal::has_colours() => {
            format!("\x1b[7m{line:width$}\x1b[0m")
        }
        Style::Head | Style::Foot => line.to_owned(),
    }
}
