//! A reader of protobuf's wire format, for the few bytes that the adapters look into themselves.

/// A field of a message: its number and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireField<'a> {
    /// A varint.
    Varint(u32, u64),
    /// A string, bytes or nested message.
    Bytes(u32, &'a [u8]),
    /// A fixed-size number or a deprecated group mark, which nobody here reads.
    Other(u32),
}

/// The fields of a serialised message, in their order. Ends early, with an `Err`, at bytes that
/// are no valid encoding.
#[derive(Clone, Debug)]
pub(crate) struct WireFields<'a> {
    rest: &'a [u8],
}

/// Bytes that are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> WireFields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> WireFields<'a> {
        WireFields { rest: message }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<WireField<'a>, Malformed> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed)?;
        match key & 7 {
            0 => self.varint().map(|value| WireField::Varint(number, value)),
            1 => self.take(8).map(|_| WireField::Other(number)),
            2 => {
                let length = self.varint()?;
                self.take(length).map(|bytes| WireField::Bytes(number, bytes))
            }
            3 | 4 => Ok(WireField::Other(number)),
            5 => self.take(4).map(|_| WireField::Other(number)),
            _ => Err(Malformed),
        }
    }
}

impl<'a> Iterator for WireFields<'a> {
    type Item = Result<WireField<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}
