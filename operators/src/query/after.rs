//! The token by which a request waits for an event: read-your-writes.
//!
//! Opaque to clients: a format version, the events' topic, partition and offset, as hexadecimal digits.

use abovefold_engine::log::Position;
use abovefold_schemas::Offset;
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const BYTES: usize = 17;

/// An event to be waited for: the partition's marker has passed it when it is greater than its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The topic's hash; see [`topic_hash`].
    pub topic: u32,
    /// Where the event lies.
    pub position: Position,
}

/// The first four bytes of the SHA-256 of a topic's name, by which a token of another log is told.
pub fn topic_hash(topic: &str) -> u32 {
    let digest = Sha256::digest(topic.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

impl After {
    /// The token: 34 hexadecimal digits.
    pub fn encode(&self) -> String {
        let mut bytes = [0; BYTES];
        bytes[0] = VERSION;
        bytes[1..5].copy_from_slice(&self.topic.to_be_bytes());
        bytes[5..9].copy_from_slice(&self.position.partition.to_be_bytes());
        bytes[9..].copy_from_slice(&self.position.offset.0.to_be_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads what [`After::encode`] wrote.
    ///
    /// # Errors
    /// In words, when the text is no token.
    pub fn decode(token: &str) -> Result<Self, String> {
        let no_token = || "is no token; take the one that POST /event answered".to_string();
        let (text, mut bytes) = (token.as_bytes(), [0; BYTES]);
        if text.len() != 2 * BYTES {
            return Err(no_token());
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        for (place, pair) in text.chunks_exact(2).enumerate() {
            let (high, low) = digit(pair[0]).zip(digit(pair[1])).ok_or_else(no_token)?;
            bytes[place] = high << 4 | low;
        }
        if bytes[0] != VERSION {
            return Err(no_token());
        }
        let four = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let offset = u64::from(four(9)) << 32 | u64::from(four(13));
        if offset == u64::MAX {
            return Err(no_token());
        }
        Ok(Self { topic: four(1), position: Position { partition: four(5), offset: Offset(offset) } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back() {
        let after = After {
            topic: topic_hash("user_events"),
            position: Position { partition: 3, offset: Offset(1 << 40) },
        };
        let token = after.encode();
        assert_eq!(token, "01c36e0904000000030000010000000000");
        assert_eq!(After::decode(&token), Ok(after));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "zz", "é", &"0".repeat(34), &"f".repeat(34), &"é".repeat(17), "+1".repeat(17).as_str()]
        {
            assert!(After::decode(text).is_err(), "{text}");
        }
    }
}
