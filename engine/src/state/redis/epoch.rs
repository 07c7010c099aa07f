//! An epoch as a Redis is told of it, in two forms that do the same: keys and arguments of the script, and the commands of a transaction.

use std::io::Write;

use redis::{Cmd, Pipeline, RedisWrite};

use super::{EpochWrite, Put, Tag, Value, indexed::Indexed, keys, parts, parts::Parts};

/// How many epochs' changes are told apart in the list of what changed (the script has the same number).
pub(super) const EPOCHS: usize = 64;

/// An epoch's changes by what is to be done.
struct Changes<'a> {
    /// Values whose names the index may lack.
    fresh: Vec<(&'a Put, &'a Value)>,
    /// The other values.
    known: Vec<(&'a Put, &'a Value)>,
    /// What has no value any more.
    removed: Vec<&'a Put>,
    /// Mirrored names that their list may lack.
    unlisted: Vec<&'a Put>,
    /// All mirrored names that changed, in one piece.
    mirrored: Vec<u8>,
}

impl<'a> Changes<'a> {
    fn of(epoch: &'a EpochWrite, indexed: &Indexed) -> Self {
        let values = epoch.puts.iter().filter_map(|put| Some((put, put.value.as_ref()?)));
        let (known, fresh) = values.partition(|(put, _)| indexed.has(&put.key));
        let mirrored = || epoch.puts.iter().filter(|put| put.mirrored);
        Self {
            fresh,
            known,
            removed: epoch.puts.iter().filter(|put| put.value.is_none()).collect(),
            unlisted: mirrored().filter(|put| !indexed.has_mirrored(&put.key)).collect(),
            mirrored: parts::join(mirrored().map(|put| &put.key)),
        }
    }

    fn set(&self) -> impl Iterator<Item = &(&'a Put, &'a Value)> {
        self.fresh.iter().chain(&self.known)
    }
}

/// Keys and arguments of the script that writes an epoch (its text says in which order).
pub(super) fn script_call(tag: &Tag, epoch: &EpochWrite, indexed: &Indexed) -> Parts {
    let changes = Changes::of(epoch, indexed);
    let lists = [keys::marker(tag), keys::mirrored(tag), keys::changed(tag), keys::index(tag)];
    let (of_values, of_derived) = (keys::values(tag), keys::all_derived(tag));
    let mut parts = Parts::default();
    lists.iter().for_each(|key| parts.key(&[key.as_bytes()]));
    changes.set().for_each(|(put, _)| parts.key(&[of_values.as_bytes(), &put.key]));
    changes.removed.iter().for_each(|put| parts.key(&[of_values.as_bytes(), &put.key]));
    epoch.invalidated.iter().for_each(|name| parts.key(&[of_derived.as_bytes(), name]));

    parts.argument(&[&epoch.expected.to_bytes()]);
    parts.argument(&[&epoch.target.to_bytes()]);
    for count in [changes.set().count(), changes.removed.len(), changes.fresh.len()] {
        parts.argument(&[count.to_string().as_bytes()]);
    }
    parts.argument(&[epoch.target.next.0.to_string().as_bytes()]);
    parts.argument(&[&changes.mirrored]);
    changes.set().for_each(|(_, value)| parts.argument(&[&value.version.0.to_be_bytes(), &value.bytes]));
    changes.removed.iter().for_each(|put| parts.argument(&[&put.key]));
    changes.unlisted.iter().for_each(|put| parts.argument(&[&put.key]));
    parts
}

/// What a transaction that writes an epoch does, from MULTI to EXEC. Its answers are given as they come, errors too.
pub(super) fn transaction(tag: &Tag, epoch: &EpochWrite, indexed: &Indexed) -> Pipeline {
    let changes = Changes::of(epoch, indexed);
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    pipeline.cmd("MULTI");
    if let Some(command) = set_values(tag, &changes) {
        pipeline.add_command(command);
    }
    let (of_values, of_derived) = (keys::values(tag), keys::all_derived(tag));
    let removed = changes.removed.iter().map(|put| (&of_values, &put.key));
    let gone = removed.chain(epoch.invalidated.iter().map(|name| (&of_derived, name)));
    let gone: Vec<[&[u8]; 2]> = gone.map(|(kind, name)| [kind.as_bytes(), name]).collect();
    let fresh: Vec<&Put> = changes.fresh.iter().map(|(put, _)| *put).collect();
    let index = keys::index(tag);
    many(&mut pipeline, "SADD", Some(&index), &names(&fresh));
    many(&mut pipeline, "DEL", None, &gone);
    many(&mut pipeline, "SREM", Some(&index), &names(&changes.removed));
    many(&mut pipeline, "SADD", Some(&keys::mirrored(tag)), &names(&changes.unlisted));
    if !changes.mirrored.is_empty() {
        let changed = keys::changed(tag);
        pipeline.cmd("ZADD").arg(&changed).arg(epoch.target.next.0).arg(changes.mirrored);
        if let Some(gone) = indexed.let_go() {
            // The empty entry stands for those that are let go, up to the last of them.
            pipeline.cmd("ZREMRANGEBYSCORE").arg(&changed).arg("-inf").arg(gone.0);
            pipeline.cmd("ZADD").arg(&changed).arg(gone.0).arg("");
        }
    }
    let (marker, target) = (keys::marker(tag), epoch.target.to_bytes());
    pipeline.cmd("SET").arg(&marker).arg(&target[..]);
    pipeline.cmd("PUBLISH").arg(&marker).arg(&target[..]);
    pipeline.cmd("EXEC");
    pipeline
}

/// All values in one command; `None` where there are none.
fn set_values(tag: &Tag, changes: &Changes<'_>) -> Option<Cmd> {
    let of_values = keys::values(tag);
    let size = |(put, value): &(&Put, &Value)| of_values.len() + put.key.len() + 8 + value.bytes.len();
    let (count, bytes) = (changes.set().count(), changes.set().map(size).sum::<usize>());
    let mut command = Cmd::with_capacity(1 + 2 * count, bytes + 4);
    command.arg("MSET");
    for (put, value) in changes.set() {
        argument(&mut command, &[of_values.as_bytes(), &put.key]);
        argument(&mut command, &[&value.version.0.to_be_bytes(), &value.bytes]);
    }
    (count > 0).then_some(command)
}

/// The names of changes as arguments.
fn names<'a>(puts: &[&'a Put]) -> Vec<[&'a [u8]; 2]> {
    puts.iter().map(|put| [&put.key[..], b""]).collect()
}

/// Adds an argument that is put together of pieces.
fn argument(command: &mut Cmd, pieces: &[&[u8]]) {
    let mut writer = command.writer_for_next_arg();
    for piece in pieces {
        writer.write_all(piece).ok(); // A command is memory, which takes what it is given.
    }
}

/// Adds a command with many arguments, and none where there are none.
fn many(pipeline: &mut Pipeline, name: &str, key: Option<&str>, arguments: &[[&[u8]; 2]]) {
    if arguments.is_empty() {
        return;
    }
    let size: usize = arguments.iter().flatten().map(|piece| piece.len()).sum();
    let fixed = name.len() + key.map_or(0, str::len);
    let mut command = Cmd::with_capacity(2 + arguments.len(), fixed + size);
    command.arg(name);
    if let Some(key) = key {
        command.arg(key);
    }
    arguments.iter().for_each(|pieces| argument(&mut command, pieces));
    pipeline.add_command(command);
}
