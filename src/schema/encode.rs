//! Writes fields in wire format.

use std::ops::Range;

use super::{decode::tag_of, tables::Field};

/// Message bytes that grow.
pub(super) struct Output(Vec<u8>);

impl Output {
    pub(super) fn with_capacity(bytes: usize) -> Output {
        Output(Vec::with_capacity(bytes))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Takes whole fields out again.
    pub(super) fn remove(&mut self, span: Range<usize>) {
        self.0.drain(span);
    }

    /// Appends the bytes of a fixed-width value after its tag.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn tag(&mut self, field: &Field) {
        varint(tag_of(field).into(), &mut self.0);
    }

    /// Appends a field whose value is a varint.
    pub(super) fn varint(&mut self, field: &Field, value: u64) {
        self.tag(field);
        varint(value, &mut self.0);
    }

    /// Appends a string or bytes field.
    pub(super) fn bytes(&mut self, field: &Field, bytes: &[u8]) {
        self.varint(field, bytes.len() as u64);
        self.raw(bytes);
    }

    /// Starts a message field; returns where its contents start. One byte is set aside for the
    /// length, which is enough for most.
    pub(super) fn open(&mut self, field: &Field) -> usize {
        self.varint(field, 0);
        self.len()
    }

    /// Puts the length of a message field in, whose contents start at `start`.
    pub(super) fn close(&mut self, start: usize) {
        let length = self.len() - start;
        if length < 0x80 {
            self.0[start - 1] = length as u8;
            return;
        }
        let mut prefix = Vec::with_capacity(10);
        varint(length as u64, &mut prefix);
        self.0.splice(start - 1..start, prefix);
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
