//! A reader's state as it is kept: its reads column by column, in half the bytes that they take one by one.

use prost::Message;

use crate::state::{Profile, Read, ReaderState};

/// Version 2 of a kept [`ReaderState`]. Version 1 is the state's own message.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ByColumn {
    #[prost(bytes = "vec", tag = "1")]
    hidden: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    hidden_before: Vec<u8>,
    #[prost(uint64, tag = "4")]
    total_reads: u64,
    #[prost(message, optional, tag = "5")]
    profile: Option<Profile>,
    #[prost(string, repeated, tag = "6")]
    topics: Vec<String>,
    #[prost(uint32, tag = "7")]
    device_type: u32,
    #[prost(int64, repeated, tag = "8")]
    read_before: Vec<i64>,
    #[prost(int64, repeated, tag = "9")]
    articles: Vec<i64>,
    /// Each less the one before.
    #[prost(sint64, repeated, tag = "10")]
    times: Vec<i64>,
    /// How much later each was logged than read, less the same of the one before.
    #[prost(sint64, repeated, tag = "11")]
    delays: Vec<i64>,
    /// The device, times 16, and which of the following columns have something for the read.
    #[prost(uint64, repeated, tag = "12")]
    facts: Vec<u64>,
    #[prost(uint32, repeated, tag = "13")]
    positions: Vec<u32>,
    #[prost(float, repeated, tag = "14")]
    read_times: Vec<f32>,
    #[prost(float, repeated, tag = "15")]
    scroll_pcts: Vec<f32>,
    #[prost(string, repeated, tag = "16")]
    view_ids: Vec<String>,
    #[prost(uint32, repeated, tag = "17")]
    seqs: Vec<u32>,
}

const READ_TIME: u64 = 1;
const SCROLL_PCT: u64 = 2;
const VIEW_ID: u64 = 4;
const SEQ: u64 = 8;
const DEVICE: u32 = 4;

impl From<&ReaderState> for ByColumn {
    fn from(state: &ReaderState) -> Self {
        let count = state.reads.len();
        let mut columns = Self {
            hidden: state.hidden.clone(),
            hidden_before: state.hidden_before.clone(),
            total_reads: state.total_reads,
            profile: state.profile,
            topics: state.topics.clone(),
            device_type: state.device_type,
            read_before: state.read_before.clone(),
            articles: Vec::with_capacity(count),
            times: Vec::with_capacity(count),
            delays: Vec::with_capacity(count),
            facts: Vec::with_capacity(count),
            positions: Vec::with_capacity(count),
            read_times: Vec::with_capacity(count),
            scroll_pcts: Vec::new(),
            view_ids: Vec::new(),
            seqs: Vec::new(),
        };
        let mut before = &Read::default();
        for read in &state.reads {
            columns.push(read, before);
            before = read;
        }
        columns
    }
}

fn delay(read: &Read) -> i64 {
    read.logged.wrapping_sub(read.time)
}

/// What a column holds for a read whose facts have this bit.
fn of<T>(column: &mut impl Iterator<Item = T>, facts: u64, bit: u64) -> Result<Option<T>, &'static str> {
    if facts & bit == 0 { Ok(None) } else { column.next().ok_or(TOO_SHORT).map(Some) }
}

const TOO_SHORT: &str = "a column of its reads is too short";

impl ByColumn {
    fn push(&mut self, read: &Read, before: &Read) {
        let has = |is: bool, bit: u64| if is { bit } else { 0 };
        self.articles.push(read.article_id);
        self.times.push(read.time.wrapping_sub(before.time));
        self.delays.push(delay(read).wrapping_sub(delay(before)));
        self.facts.push(
            u64::from(read.device_type) << DEVICE
                | has(read.read_time.is_some(), READ_TIME)
                | has(read.scroll_pct.is_some(), SCROLL_PCT)
                | has(read.view_id.is_some(), VIEW_ID)
                | has(read.seq.is_some(), SEQ),
        );
        self.positions.push(read.position);
        self.read_times.extend(read.read_time);
        self.scroll_pcts.extend(read.scroll_pct);
        self.view_ids.extend(read.view_id.clone());
        self.seqs.extend(read.seq);
    }

    /// The state, unless its columns do not fit together.
    pub(crate) fn state(self) -> Result<ReaderState, &'static str> {
        let count = self.articles.len();
        if [self.times.len(), self.delays.len(), self.facts.len(), self.positions.len()] != [count; 4] {
            return Err(TOO_SHORT);
        }
        let (mut read_times, mut scroll_pcts) = (self.read_times.into_iter(), self.scroll_pcts.into_iter());
        let (mut view_ids, mut seqs) = (self.view_ids.into_iter(), self.seqs.into_iter());
        let mut reads = Vec::with_capacity(count);
        let (mut time, mut delay) = (0_i64, 0_i64);
        for (place, article_id) in self.articles.into_iter().enumerate() {
            let facts = self.facts[place];
            time = time.wrapping_add(self.times[place]);
            delay = delay.wrapping_add(self.delays[place]);
            reads.push(Read {
                article_id,
                time,
                read_time: of(&mut read_times, facts, READ_TIME)?,
                scroll_pct: of(&mut scroll_pcts, facts, SCROLL_PCT)?,
                device_type: u32::try_from(facts >> DEVICE).map_err(|_| "a device is none")?,
                view_id: of(&mut view_ids, facts, VIEW_ID)?,
                seq: of(&mut seqs, facts, SEQ)?,
                position: self.positions[place],
                logged: time.wrapping_add(delay),
            });
        }
        Ok(ReaderState {
            hidden: self.hidden,
            hidden_before: self.hidden_before,
            reads,
            total_reads: self.total_reads,
            profile: self.profile,
            topics: self.topics,
            device_type: self.device_type,
            read_before: self.read_before,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kept;

    fn reads() -> Vec<Read> {
        let read = |number: i64| Read {
            article_id: 9_000_000 + number * 7,
            time: 1_704_110_400_000 + number * 61_000 - number % 3 * 200_000,
            read_time: (number % 5 != 0).then_some(number as f32 / 4.0),
            scroll_pct: (number % 4 == 0).then_some(number as f32),
            device_type: (number % 4) as u32,
            view_id: (number % 6 == 0).then(|| format!("view {number}")),
            seq: (number % 6 == 0).then_some(number as u32),
            position: number as u32 + 1,
            logged: 1_704_110_400_000 + number * 61_000 - number % 7 * 40,
        };
        (0..50).map(read).collect()
    }

    #[test]
    fn a_state_comes_back_from_its_columns_and_from_the_message_of_before() {
        let far = Read { time: i64::MIN, logged: i64::MAX, device_type: u32::MAX, ..Read::default() };
        for reads in [Vec::new(), reads(), vec![far.clone(), Read { time: i64::MAX, ..far }]] {
            let state = ReaderState { total_reads: 77, read_before: vec![5, 3], reads, ..Default::default() };
            assert_eq!(ReaderState::from_kept(&state.to_kept()), Ok(state.clone()));
            let mut of_before = vec![1];
            state.encode(&mut of_before).unwrap();
            assert_eq!(ReaderState::from_kept(&of_before), Ok(state));
        }
    }

    #[test]
    fn columns_take_half_the_bytes() {
        let plain = |read: Read| Read { view_id: None, seq: None, ..read };
        let state = ReaderState { reads: reads().into_iter().map(plain).collect(), ..ReaderState::default() };
        assert!(state.to_kept().len() * 5 < state.encoded_len() * 3, "{}", state.to_kept().len());
    }

    #[test]
    fn columns_that_do_not_fit_together_are_refused() {
        let whole = ByColumn::from(&ReaderState { reads: reads(), ..ReaderState::default() });
        let refused = |change: fn(&mut ByColumn)| {
            let mut columns = whole.clone();
            change(&mut columns);
            let bytes = [vec![ReaderState::VERSION], columns.encode_to_vec()].concat();
            ReaderState::from_kept(&bytes).is_err()
        };
        assert!(!refused(|_| {}));
        assert!(refused(|columns| columns.times.truncate(3)));
        assert!(refused(|columns| columns.view_ids.truncate(1)));
        assert!(refused(|columns| columns.read_times.clear()));
        assert!(refused(|columns| columns.facts[0] = u64::MAX));
    }
}
