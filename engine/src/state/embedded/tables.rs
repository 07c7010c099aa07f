//! The tables of the file and what is read from and written to them.
//!
//! Every key begins with the namespace, a zero byte, and the partition (big-endian): a partition is one range of each table.

use abovefold_schemas::{Marker, Offset};
use bytes::Bytes;
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
    WriteTransaction,
};

use super::{EpochWrite, Tag, Value, WriteOutcome};

type BytesTable = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What the file is: `format`.
const ABOUT: TableDefinition<'static, &'static str, u64> = TableDefinition::new("about");
/// Partition -> marker.
const MARKERS: BytesTable = TableDefinition::new("markers");
/// Partition, key -> version (big-endian), bytes.
const VALUES: BytesTable = TableDefinition::new("values");
/// Partition, version (big-endian), key: the mirrored keys by their last change, removals too.
const MIRRORED: TableDefinition<'static, &'static [u8], ()> = TableDefinition::new("mirrored");
/// Partition, key -> the version under which it stands in [`MIRRORED`].
const MIRRORED_AT: TableDefinition<'static, &'static [u8], u64> = TableDefinition::new("mirrored_at");

const FORMAT: u64 = 1;

type Result<T, E = redb::Error> = std::result::Result<T, E>;

/// Makes the tables of a new file; refuses a file of another format.
pub(super) fn prepare(database: &Database) -> Result<(), String> {
    match format_of(database) {
        Ok(Some(FORMAT)) => Ok(()),
        Ok(Some(other)) => Err(format!(
            "it has format {other}, this program reads {FORMAT}: name another folder, and replay the log"
        )),
        Ok(None) => make_tables(database).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn format_of(database: &Database) -> Result<Option<u64>> {
    match database.begin_read()?.open_table(ABOUT) {
        Ok(about) => Ok(ReadableTable::get(&about, "format")?.map(|format| format.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn make_tables(database: &Database) -> Result<()> {
    let transaction = database.begin_write()?;
    transaction.open_table(ABOUT)?.insert("format", FORMAT)?;
    transaction.open_table(MARKERS)?;
    transaction.open_table(VALUES)?;
    transaction.open_table(MIRRORED)?;
    transaction.open_table(MIRRORED_AT)?;
    Ok(transaction.commit()?)
}

/// What all keys of a namespace begin with.
pub(super) fn namespace_prefix(namespace: &str) -> Vec<u8> {
    [namespace.as_bytes(), &[0]].concat()
}

/// What all keys of a partition begin with.
pub(super) fn prefix(tag: &Tag) -> Vec<u8> {
    [tag.namespace.as_bytes(), &[0], &tag.partition.to_be_bytes()].concat()
}

/// A key within a partition.
pub(super) fn key(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    [prefix, key].concat()
}

fn mirrored_key(prefix: &[u8], version: Offset, key: &[u8]) -> Vec<u8> {
    [prefix, &version.0.to_be_bytes(), key].concat()
}

/// The first key after all those that begin with a prefix. (A namespace's prefix has a byte below 255, so there is one.)
fn after_all(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(byte) = end.pop() {
        if byte < u8::MAX {
            end.push(byte + 1);
            break;
        }
    }
    end
}

fn corrupt(what: &str) -> redb::Error {
    StorageError::Corrupted(format!("{what} is not what this program writes")).into()
}

fn row(value: &Value) -> Vec<u8> {
    [&value.version.0.to_be_bytes()[..], &value.bytes].concat()
}

fn parse_version(row: &[u8]) -> Result<Offset> {
    let version = row.first_chunk::<8>().ok_or_else(|| corrupt("a value"))?;
    Ok(Offset(u64::from_be_bytes(*version)))
}

fn parse_row(row: &[u8]) -> Result<Value> {
    Ok(Value { version: parse_version(row)?, bytes: Bytes::copy_from_slice(&row[8..]) })
}

fn parse_marker(bytes: &[u8]) -> Result<Marker> {
    Marker::from_bytes(bytes).ok_or_else(|| corrupt("a marker"))
}

/// A partition's marker.
pub(super) fn marker(transaction: &ReadTransaction, prefix: &[u8]) -> Result<Option<Marker>> {
    let markers = transaction.open_table(MARKERS)?;
    ReadableTable::get(&markers, prefix)?.map(|bytes| parse_marker(bytes.value())).transpose()
}

/// The values of some keys, in their order.
pub(super) fn values(
    transaction: &ReadTransaction,
    prefix: &[u8],
    keys: &[Bytes],
) -> Result<Vec<Option<Value>>> {
    let values = transaction.open_table(VALUES)?;
    keys.iter().map(|wanted| value(&values, &key(prefix, wanted))).collect()
}

fn value(values: &impl ReadableTable<&'static [u8], &'static [u8]>, key: &[u8]) -> Result<Option<Value>> {
    values.get(key)?.map(|row| parse_row(row.value())).transpose()
}

/// The version of a value; 0 where there is none.
pub(super) fn version(transaction: &ReadTransaction, prefix: &[u8], wanted: &[u8]) -> Result<Offset> {
    let values = transaction.open_table(VALUES)?;
    let row = ReadableTable::get(&values, key(prefix, wanted).as_slice())?;
    row.map_or(Ok(Offset(0)), |row| parse_version(row.value()))
}

/// The mirrored values that changed after `since`.
pub(super) fn changed_since(
    transaction: &ReadTransaction,
    prefix: &[u8],
    since: Offset,
) -> Result<Vec<(Bytes, Option<Value>)>> {
    let (mirrored, values) = (transaction.open_table(MIRRORED)?, transaction.open_table(VALUES)?);
    let Some(first) = since.0.checked_add(1) else { return Ok(Vec::new()) };
    let (start, end) = (mirrored_key(prefix, Offset(first), &[]), after_all(prefix));
    let mut changed = Vec::new();
    for entry in ReadableTable::range(&mirrored, start.as_slice()..end.as_slice())? {
        let (found, ()) = entry.map(|(found, _)| (found, ()))?;
        let name = &found.value()[prefix.len() + 8..];
        changed.push((Bytes::copy_from_slice(name), value(&values, &key(prefix, name))?));
    }
    Ok(changed)
}

/// The next values of a partition in the order of their keys.
pub(super) fn chunk(
    transaction: &ReadTransaction,
    prefix: &[u8],
    after: Option<&[u8]>,
    length: usize,
) -> Result<Vec<(Bytes, Value)>> {
    let values = transaction.open_table(VALUES)?;
    // Directly after a key comes the key with a zero byte more.
    let start = after.map_or_else(|| prefix.to_vec(), |after| [prefix, after, &[0]].concat());
    let end = after_all(prefix);
    let mut found = Vec::new();
    for entry in ReadableTable::range(&values, start.as_slice()..end.as_slice())?.take(length) {
        let (name, row) = entry?;
        found.push((Bytes::copy_from_slice(&name.value()[prefix.len()..]), parse_row(row.value())?));
    }
    Ok(found)
}

/// The partitions of a namespace that have a marker.
pub(super) fn partitions(transaction: &ReadTransaction, namespace: &str) -> Result<Vec<u32>> {
    let markers = transaction.open_table(MARKERS)?;
    let start = namespace_prefix(namespace);
    let mut found = Vec::new();
    for entry in ReadableTable::range(&markers, start.as_slice()..after_all(&start).as_slice())? {
        let (name, _) = entry?;
        let number = name.value()[start.len()..].try_into().map_err(|_| corrupt("a marker's key"))?;
        found.push(u32::from_be_bytes(number));
    }
    Ok(found)
}

/// Sets the marker of a partition that has none; returns the one that is there then.
pub(super) fn initialise(transaction: &WriteTransaction, tag: &Tag, marker: Marker) -> Result<Marker> {
    let mut markers = transaction.open_table(MARKERS)?;
    let prefix = prefix(tag);
    let there = markers.get(prefix.as_slice())?.map(|bytes| parse_marker(bytes.value())).transpose()?;
    if let Some(there) = there {
        return Ok(there);
    }
    markers.insert(prefix.as_slice(), marker.to_bytes().as_slice())?;
    Ok(marker)
}

/// Compares the marker and makes all changes of an epoch, or none.
pub(super) fn write_epoch(
    transaction: &WriteTransaction,
    tag: &Tag,
    epoch: &EpochWrite,
) -> Result<WriteOutcome> {
    let prefix = prefix(tag);
    let mut markers = transaction.open_table(MARKERS)?;
    let there = markers.get(prefix.as_slice())?.map(|bytes| parse_marker(bytes.value())).transpose()?;
    if there == Some(epoch.target) {
        return Ok(WriteOutcome::Applied);
    }
    if there != Some(epoch.expected) {
        return Ok(WriteOutcome::Conflict(there));
    }
    markers.insert(prefix.as_slice(), epoch.target.to_bytes().as_slice())?;
    let mut values = transaction.open_table(VALUES)?;
    let mut mirrored = transaction.open_table(MIRRORED)?;
    let mut mirrored_at = transaction.open_table(MIRRORED_AT)?;
    for put in &epoch.puts {
        let name = key(&prefix, &put.key);
        match &put.value {
            Some(value) => values.insert(name.as_slice(), row(value).as_slice())?,
            None => values.remove(name.as_slice())?,
        };
        if put.mirrored {
            let at = epoch.changed_at(put);
            if let Some(before) = mirrored_at.insert(name.as_slice(), at.0)? {
                mirrored.remove(mirrored_key(&prefix, Offset(before.value()), &put.key).as_slice())?;
            }
            mirrored.insert(mirrored_key(&prefix, at, &put.key).as_slice(), ())?;
        }
    }
    Ok(WriteOutcome::Applied)
}

/// Removes all ranges of a namespace.
pub(super) fn drop_namespace(transaction: &WriteTransaction, namespace: &str) -> Result<()> {
    let start = namespace_prefix(namespace);
    let end = after_all(&start);
    let range = || start.as_slice()..end.as_slice();
    transaction.open_table(MARKERS)?.retain_in(range(), |_, _| false)?;
    transaction.open_table(VALUES)?.retain_in(range(), |_, _| false)?;
    transaction.open_table(MIRRORED)?.retain_in(range(), |_, ()| false)?;
    transaction.open_table(MIRRORED_AT)?.retain_in(range(), |_, _| false)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_range_lies_after_all_its_keys() {
        assert_eq!(after_all(b"a\x00"), b"a\x01");
        assert_eq!(after_all(b"a\x00\xff\xff\xff\xff"), b"a\x01");
        assert_eq!(after_all(b"a\x00\x00\x00\x00\x07"), b"a\x00\x00\x00\x00\x08");
    }
}
