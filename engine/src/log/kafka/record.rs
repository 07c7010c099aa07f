//! Records out of librdkafka's messages.

use std::panic::{AssertUnwindSafe, catch_unwind};

use abovefold_schemas::{Offset, Timestamp};
use bytes::{Bytes, BytesMut};
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers},
};

use super::super::Record;

/// Copies a message out of librdkafka's memory, in one piece that its parts share.
pub(super) fn record(message: &BorrowedMessage<'_>, offset: u64) -> Record {
    let key = message.key();
    let value = message.payload().unwrap_or_default();
    let mut copied = BytesMut::with_capacity(key.map_or(0, <[u8]>::len) + value.len());
    copied.extend_from_slice(key.unwrap_or_default());
    copied.extend_from_slice(value);
    let mut copied = copied.freeze();
    let key = key.map(|key| copied.split_to(key.len()));
    let time = Timestamp(message.timestamp().to_millis().unwrap_or(0));
    Record { offset: Offset(offset), time, key, value: copied, headers: headers(message) }
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Bytes)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    let header = |index: usize| {
        // rdkafka panics at a name that is not UTF-8. Such a header is no reason to stop a partition for good.
        let read = catch_unwind(AssertUnwindSafe(|| {
            let header = headers.get(index);
            (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default()))
        }));
        read.unwrap_or_else(|_| (format!("unreadable-{index}"), Bytes::new()))
    };
    (0..headers.count()).map(header).collect()
}
