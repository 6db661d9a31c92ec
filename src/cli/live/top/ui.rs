//! What is shown and in which order, as the keys have it.

use std::time::Duration;

use super::INTERVALS;
use super::keys::Key;

/// What can be shown, in the order of Tab and of the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shown {
    #[default]
    Overview,
    Calls,
    Failures,
    Workers,
    Instances,
    Shadows,
}

impl Shown {
    pub(super) const ALL: [Shown; 6] = [
        Shown::Overview,
        Shown::Calls,
        Shown::Failures,
        Shown::Workers,
        Shown::Instances,
        Shown::Shadows,
    ];

    pub(super) fn label(self) -> &'static str {
        match self {
            Shown::Overview => "overview",
            Shown::Calls => "in flight",
            Shown::Failures => "failures",
            Shown::Workers => "workers",
            Shown::Instances => "instances",
            Shown::Shadows => "shadows",
        }
    }
}

/// The column by which a table is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: usize,
    pub(super) is_reversed: bool,
}

/// What somebody has chosen.
#[derive(Clone, Debug)]
pub(super) struct Ui {
    pub(super) shown: Shown,
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) is_typing: bool,
    pub(super) is_paused: bool,
    pub(super) is_help: bool,
    pub(super) interval: Duration,
    /// Lines that are scrolled past; drawing bounds it.
    pub(super) scroll: usize,
    /// Of the events, in the overview.
    pub(super) events: Sort,
    pub(super) calls: Sort,
    /// What it was before that.
    pub(super) before_typing: String,
}

/// What a key asks for beside another picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Look,
    End,
}

/// Columns by which the events and the calls can be sorted.
pub(super) const EVENT_COLUMNS: usize = 11;
pub(super) const CALL_COLUMNS: usize = 10;
/// Lines of a page.
const PAGE: usize = 10;

impl Ui {
    pub(super) fn new(filter: String, interval: Duration) -> Ui {
        Ui {
            shown: Shown::default(),
            before_typing: filter.clone(),
            filter,
            is_typing: false,
            is_paused: false,
            is_help: false,
            interval,
            scroll: 0,
            events: Sort { column: 2, is_reversed: false },
            calls: Sort { column: 2, is_reversed: false },
        }
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: Key) -> Wish {
        if key == Key::Interrupt {
            return Wish::End;
        }
        if self.is_typing {
            self.type_filter(key);
            return Wish::Nothing;
        }
        if self.is_help {
            // Any key ends the help, as in htop.
            self.is_help = false;
            return if key == Key::Char('q') { Wish::End } else { Wish::Nothing };
        }
        match key {
            Key::Char('q') | Key::Function(10) => return Wish::End,
            Key::Char('h' | '?') | Key::Function(1) => self.is_help = true,
            Key::Char(' ' | 'p') => {
                self.is_paused = !self.is_paused;
                return if self.is_paused { Wish::Nothing } else { Wish::Look };
            }
            Key::Enter => return Wish::Look,
            Key::Char('/' | '\\' | 'o') | Key::Function(4) => {
                self.is_typing = true;
                self.before_typing.clone_from(&self.filter);
            }
            Key::Escape => self.filter.clear(),
            Key::Char('+') => self.interval = (self.interval * 2).min(*INTERVALS.end()),
            Key::Char('-') => self.interval = (self.interval / 2).max(*INTERVALS.start()),
            Key::Char('>') | Key::Right | Key::Function(6) => self.sort_by(1),
            Key::Char('<') | Key::Left => self.sort_by(-1),
            Key::Char('R' | 'I') => {
                let sort = self.sort();
                sort.is_reversed = !sort.is_reversed;
            }
            Key::Tab => self.show(1),
            Key::BackTab => self.show(Shown::ALL.len() - 1),
            Key::Char(number @ '1'..='6') => {
                self.shown = Shown::ALL[number as usize - '1' as usize];
                self.scroll = 0;
            }
            Key::Down | Key::Char('j') => self.scroll += 1,
            Key::Up | Key::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            Key::PageDown => self.scroll += PAGE,
            Key::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            Key::Home => self.scroll = 0,
            Key::End => self.scroll = usize::MAX / 2,
            _ => {}
        }
        Wish::Nothing
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Enter | Key::Tab => self.is_typing = false,
            Key::Escape => {
                self.is_typing = false;
                self.filter.clone_from(&self.before_typing);
            }
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Char(character) => self.filter.push(character),
            _ => {}
        }
    }

    /// The order of the table that is in view.
    fn sort(&mut self) -> &mut Sort {
        if self.shown == Shown::Calls { &mut self.calls } else { &mut self.events }
    }

    fn sort_by(&mut self, step: isize) {
        let columns = if self.shown == Shown::Calls { CALL_COLUMNS } else { EVENT_COLUMNS };
        let sort = self.sort();
        let next = (sort.column + columns).saturating_add_signed(step) % columns;
        *sort = Sort { column: next, is_reversed: false };
    }

    fn show(&mut self, step: usize) {
        let at = Shown::ALL.iter().position(|one| *one == self.shown).unwrap_or_default();
        self.shown = Shown::ALL[(at + step) % Shown::ALL.len()];
        self.scroll = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ui() -> Ui {
        Ui::new(String::new(), Duration::from_secs(1))
    }

    #[test]
    fn a_filter_is_typed_kept_or_given_up() {
        let mut ui = ui();
        for key in ['/', 'q', 'x'].map(Key::Char) {
            assert_eq!(ui.press(key), Wish::Nothing, "q is a letter here");
        }
        ui.press(Key::Backspace);
        ui.press(Key::Enter);
        assert_eq!((ui.filter.as_str(), ui.is_typing), ("q", false));
        ui.press(Key::Function(4));
        ui.press(Key::Char('z'));
        ui.press(Key::Escape);
        assert_eq!(ui.filter, "q", "as before");
        ui.press(Key::Escape);
        assert_eq!(ui.filter, "");
    }

    #[test]
    fn the_order_is_that_of_the_table_in_view() {
        let mut ui = ui();
        ui.press(Key::Char('>'));
        ui.press(Key::Char('R'));
        assert_eq!(ui.events, Sort { column: 3, is_reversed: true });
        ui.press(Key::Char('2'));
        for _ in 0..3 {
            ui.press(Key::Char('<'));
        }
        assert_eq!(ui.calls, Sort { column: CALL_COLUMNS - 1, is_reversed: false });
        assert_eq!(ui.events.column, 3);
    }

    #[test]
    fn pauses_views_and_intervals_go_round_and_have_bounds() {
        let mut ui = ui();
        assert_eq!(
            [ui.press(Key::Char(' ')), ui.press(Key::Char('p'))],
            [Wish::Nothing, Wish::Look]
        );
        ui.press(Key::BackTab);
        assert_eq!(ui.shown, Shown::Shadows);
        ui.press(Key::Tab);
        assert_eq!(ui.shown, Shown::Overview);
        for _ in 0..40 {
            ui.press(Key::Char('+'));
        }
        assert_eq!(ui.interval, *INTERVALS.end());
        for _ in 0..40 {
            ui.press(Key::Char('-'));
        }
        assert_eq!(ui.interval, *INTERVALS.start());
        ui.press(Key::Char('?'));
        assert_eq!((ui.is_help, ui.press(Key::Char('q'))), (true, Wish::End));
        assert_eq!(ui.press(Key::Interrupt), Wish::End);
    }
}
