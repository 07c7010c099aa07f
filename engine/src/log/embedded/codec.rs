//! How a record lies in the file.
//!
//! A format version (1), the time (8 bytes), whether there is a key (1), its length (4), the number of headers (4); for each
//! header the lengths of name and value (4 + 4); then the key, the headers' names and values in turn, and the payload up to the
//! end. All numbers are big-endian.

use abovefold_schemas::{Offset, Timestamp};
use bytes::{Buf, Bytes};

use super::super::{NewRecord, Record};

const VERSION: u8 = 1;
const FIXED: usize = 1 + 8 + 1 + 4 + 4;

/// Writes a record into a buffer, which is cleared first.
pub(super) fn encode(record: &NewRecord, time: Timestamp, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.push(VERSION);
    buffer.extend_from_slice(&time.0.to_be_bytes());
    let key = record.key.as_deref().unwrap_or_default();
    buffer.push(u8::from(record.key.is_some()));
    put_length(buffer, key.len());
    put_length(buffer, record.headers.len());
    for (name, value) in &record.headers {
        put_length(buffer, name.len());
        put_length(buffer, value.len());
    }
    buffer.extend_from_slice(key);
    for (name, value) in &record.headers {
        buffer.extend_from_slice(name.as_bytes());
        buffer.extend_from_slice(value);
    }
    buffer.extend_from_slice(&record.value);
}

fn put_length(buffer: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a record's size was checked, and is far below 4 GiB");
    buffer.extend_from_slice(&length.to_be_bytes());
}

/// The time of a stored record, without reading the rest.
pub(super) fn time_of(bytes: &[u8]) -> Option<Timestamp> {
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    let (time, _) = rest.split_first_chunk::<8>()?;
    Some(Timestamp(i64::from_be_bytes(*time)))
}

/// Reads a stored record; `None` for bytes that [`encode`] did not write.
pub(super) fn decode(offset: Offset, stored: &[u8]) -> Option<Record> {
    let time = time_of(stored)?;
    // One allocation holds the whole record; its parts share it.
    let mut bytes = Bytes::copy_from_slice(stored);
    if bytes.len() < FIXED {
        return None;
    }
    bytes.advance(1 + 8);
    let has_key = bytes.get_u8() == 1;
    let key_length = bytes.get_u32() as usize;
    let headers = bytes.get_u32() as usize;
    if bytes.len() < headers.checked_mul(8)? {
        return None;
    }
    let lengths: Vec<_> =
        (0..headers).map(|_| (bytes.get_u32() as usize, bytes.get_u32() as usize)).collect();
    let mut take = |length: usize| (length <= bytes.len()).then(|| bytes.split_to(length));
    let key = take(key_length)?;
    let headers = lengths
        .into_iter()
        .map(|(name, value)| Some((String::from_utf8(take(name)?.to_vec()).ok()?, take(value)?)))
        .collect::<Option<Vec<_>>>()?;
    Some(Record { offset, time, key: has_key.then_some(key), value: bytes, headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_its_bytes() {
        let headers =
            vec![("origin".to_owned(), Bytes::from_static(b"\x00\xff")), (String::new(), Bytes::new())];
        for (key, value) in [(None, ""), (Some(""), "x"), (Some("reader"), "{}")] {
            let record = NewRecord {
                key: key.map(Bytes::from),
                value: Bytes::from(value),
                headers: headers.clone(),
                ..NewRecord::default()
            };
            let mut stored = Vec::new();
            encode(&record, Timestamp(-7), &mut stored);
            let read = decode(Offset(3), &stored).expect("it was just written");
            assert_eq!((read.offset, read.time), (Offset(3), Timestamp(-7)));
            assert_eq!((read.key, read.value, read.headers), (record.key, record.value, record.headers));
            for cut in 0..FIXED {
                assert_eq!(decode(Offset(3), &stored[..cut]), None);
            }
        }
    }

    #[test]
    fn the_first_format_is_pinned() {
        let record = NewRecord {
            headers: vec![("h".into(), Bytes::from_static(b"v"))],
            ..NewRecord::keyed("key", "value")
        };
        let mut stored = Vec::new();
        encode(&record, Timestamp(1), &mut stored);
        let expected = b"\x01\0\0\0\0\0\0\0\x01\x01\0\0\0\x03\0\0\0\x01\0\0\0\x01\0\0\0\x01keyhvvalue";
        assert_eq!(stored, expected);
    }
}
