//! Kept values: a format version, then a protobuf message.

use prost::Message;

/// A message that is kept in a store or a topic. Its bytes begin with its format version.
pub trait Kept: Message + Default {
    /// What a reader of an error calls it.
    const NAME: &'static str;
    /// The version that is written.
    const VERSION: u8 = 1;

    /// The version, then the message. The same message gives the same bytes (there are no maps in it).
    fn to_kept(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.encoded_len());
        bytes.push(Self::VERSION);
        self.encode_raw(&mut bytes);
        bytes
    }

    /// Reads what [`Kept::to_kept`] wrote.
    ///
    /// # Errors
    /// When the version is unknown or the bytes are no such message.
    fn from_kept(bytes: &[u8]) -> Result<Self, KeptError> {
        let refused = |reason: String| KeptError { name: Self::NAME, reason };
        let (version, message) = bytes.split_first().ok_or_else(|| refused("no bytes".into()))?;
        let read = Self::from_version(*version, message).unwrap_or_else(|| {
            Err(format!("format version {version}, this program reads {}", Self::VERSION))
        });
        read.map_err(refused)
    }

    /// Reads a message of this format version, or says why it is none; `None` for a version that is not known.
    fn from_version(version: u8, message: &[u8]) -> Option<Result<Self, String>> {
        (version == Self::VERSION).then(|| Self::decode(message).map_err(|error| error.to_string()))
    }
}

/// Kept bytes that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kept {name}: {reason}")]
pub struct KeptError {
    /// What was to be read.
    pub name: &'static str,
    /// Why it could not be.
    pub reason: String,
}
