//! What a terminal sends when keys are pressed.

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Function(u8),
    Enter,
    Escape,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C.
    Interrupt,
}

/// What stands behind ESC for each key, as xterm, the Linux console and tmux send it.
const SEQUENCES: [(&[u8], Key); 31] = [
    (b"[A", Key::Up),
    (b"[B", Key::Down),
    (b"[C", Key::Right),
    (b"[D", Key::Left),
    (b"OA", Key::Up),
    (b"OB", Key::Down),
    (b"OC", Key::Right),
    (b"OD", Key::Left),
    (b"[H", Key::Home),
    (b"[F", Key::End),
    (b"OH", Key::Home),
    (b"OF", Key::End),
    (b"[1~", Key::Home),
    (b"[7~", Key::Home),
    (b"[4~", Key::End),
    (b"[8~", Key::End),
    (b"[5~", Key::PageUp),
    (b"[6~", Key::PageDown),
    (b"[Z", Key::BackTab),
    (b"OP", Key::Function(1)),
    (b"[11~", Key::Function(1)),
    (b"[[A", Key::Function(1)),
    (b"OS", Key::Function(4)),
    (b"[14~", Key::Function(4)),
    (b"[[D", Key::Function(4)),
    (b"[17~", Key::Function(6)),
    (b"[21~", Key::Function(10)),
    (b"OQ", Key::Function(2)),
    (b"[12~", Key::Function(2)),
    (b"OR", Key::Function(3)),
    (b"[13~", Key::Function(3)),
];

/// The keys of what was read at once. A sequence that is not known is no key.
pub(super) fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        keys.extend(match first {
            3 => Some(Key::Interrupt),
            b'\r' | b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Tab),
            8 | 127 => Some(Key::Backspace),
            0x1b => escaped(&mut bytes),
            0..=31 => None,
            _ => character(*first, &mut bytes).map(Key::Char),
        });
    }
    keys
}

/// The key whose sequence begins with ESC, which was taken already. ESC alone is a key too.
fn escaped(bytes: &mut &[u8]) -> Option<Key> {
    let known = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence));
    if let Some((sequence, key)) = known {
        *bytes = &bytes[sequence.len()..];
        return Some(*key);
    }
    if !matches!(bytes.first(), Some(b'[' | b'O')) {
        return Some(Key::Escape);
    }
    // ECMA-48: parameters and intermediate bytes, and one that ends it.
    let end = bytes.iter().skip(1).position(|byte| (0x40..=0x7e).contains(byte));
    let all: &[u8] = bytes;
    *bytes = end.map_or(&[][..], |end| &all[end + 2..]);
    None
}

/// The character in UTF-8 that begins with `first`.
fn character(first: u8, bytes: &mut &[u8]) -> Option<char> {
    let more = match first {
        0..=0x7f => 0,
        0xc0..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xf7 => 3,
        _ => return None,
    };
    let (rest, left) = bytes.split_at_checked(more)?;
    *bytes = left;
    let all = [&[first], rest].concat();
    std::str::from_utf8(&all).ok()?.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let cases: [(&[u8], Vec<Key>); 9] = [
            (b"q", vec![Key::Char('q')]),
            (b"\x1b", vec![Key::Escape]),
            (b"\x1b\x1b[A", vec![Key::Escape, Key::Up]),
            (b"\x1bOP\x1b[14~\x1b[6~", vec![Key::Function(1), Key::Function(4), Key::PageDown]),
            (b"\x03", vec![Key::Interrupt]),
            (
                "ü\r\x7f\t\x1b[Z".as_bytes(),
                vec![Key::Char('ü'), Key::Enter, Key::Backspace, Key::Tab, Key::BackTab],
            ),
            // Of no use: a mouse, a pressed Ctrl, half a character, what is no UTF-8.
            (b"\x1b[200~\x1b[1;5Px", vec![Key::Char('x')]),
            (b"\x01\xc3", vec![]),
            (b"\xff\xc3(a", vec![Key::Char('a')]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }
}
