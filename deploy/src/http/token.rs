//! Readers' tokens: who holds one may read and write one reader, until it expires.
//!
//! A token is three texts joined by dots: the reader's id in URL-safe base64 without padding, the moment at which it expires in seconds since
//! 1970, and the HMAC-SHA-256 of the text `abovefold reader token 1`, a line feed, and the first two texts with their dot, in the same base64.
//! Whoever knows the secret can make one, so that a publisher's own sign-in can do it without asking this program.
//!
//! What a session's cookie holds is made by the same rule with another text, so that the one is never taken for the other.

use abovefold_schemas::{ReaderId, Timestamp};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

/// What a signature is for: signed before the text itself, so that one made for something else is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A reader's token, presented in the header `Authorization`.
    Token,
    /// A session, presented in a cookie.
    Session,
}

impl Purpose {
    fn text(self) -> &'static str {
        match self {
            Self::Token => "abovefold reader token 1\n",
            Self::Session => "abovefold session 1\n",
        }
    }
}

/// What tokens are signed with.
#[derive(Clone, Debug)]
pub struct TokenSecret(hmac::Key);

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is none, or signed by another secret.
    Unknown,
    /// It was one.
    Expired,
}

impl TokenSecret {
    /// From the text of the configuration.
    pub fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// A token of a reader.
    pub fn sign(&self, reader: &ReaderId, expires: Timestamp) -> String {
        self.sign_for(Purpose::Token, reader, expires)
    }

    /// The same for another purpose.
    pub(super) fn sign_for(&self, purpose: Purpose, reader: &ReaderId, expires: Timestamp) -> String {
        let claim = format!("{}.{}", URL_SAFE_NO_PAD.encode(reader.as_bytes()), expires.0.div_euclid(1_000));
        let signature = hmac::sign(&self.0, format!("{}{claim}", purpose.text()).as_bytes());
        format!("{claim}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The reader of a token.
    pub(super) fn reader(&self, token: &str, now: Timestamp) -> Result<ReaderId, Refused> {
        self.verify(Purpose::Token, token, now).map(|(reader, _)| reader)
    }

    /// The reader of what was signed for a purpose, and when it expires.
    pub(super) fn verify(
        &self,
        purpose: Purpose,
        token: &str,
        now: Timestamp,
    ) -> Result<(ReaderId, Timestamp), Refused> {
        let (claim, signature) = token.rsplit_once('.').ok_or(Refused::Unknown)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused::Unknown)?;
        // In constant time, and before anything of the claim is read.
        hmac::verify(&self.0, format!("{}{claim}", purpose.text()).as_bytes(), &signature)
            .map_err(|_| Refused::Unknown)?;
        let (reader, expires) = claim.split_once('.').ok_or(Refused::Unknown)?;
        let expires: i64 = expires.parse().map_err(|_| Refused::Unknown)?;
        let expires = Timestamp(expires.saturating_mul(1_000));
        if now.0 >= expires.0 {
            return Err(Refused::Expired);
        }
        let id = URL_SAFE_NO_PAD.decode(reader).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let reader = id.and_then(|id| ReaderId::new(id).ok()).ok_or(Refused::Unknown)?;
        Ok((reader, expires))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_token_is_of_its_reader_until_it_expires() {
        let secret = TokenSecret::new(SECRET);
        let reader = ReaderId::new("ann/ü").unwrap();
        let token = secret.sign(&reader, Timestamp(1_800_000_000_500));
        assert_eq!(secret.reader(&token, Timestamp(1_799_999_999_999)), Ok(reader));
        assert_eq!(secret.reader(&token, Timestamp(1_800_000_000_000)), Err(Refused::Expired));
    }

    #[test]
    fn a_token_that_others_make_by_the_same_rule_is_the_same() {
        // python3: base64.urlsafe_b64encode(hmac.digest(SECRET, b"abovefold reader token 1\nYW5u.1800000000", "sha256")).rstrip(b"=")
        let known = "XVMJ1ti0k0I7W_H7EbbaEDqw-rDmWOLUCZe0g1STjJw";
        let token =
            TokenSecret::new(SECRET).sign(&ReaderId::new("ann").unwrap(), Timestamp(1_800_000_000_000));
        assert_eq!(token, format!("YW5u.1800000000.{known}"));
    }

    #[test]
    fn whatever_is_changed_in_a_token_makes_it_none() {
        let secret = TokenSecret::new(SECRET);
        let token = secret.sign(&ReaderId::new("ann").unwrap(), Timestamp(1_800_000_000_000));
        let now = Timestamp(0);
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(secret.reader(&changed, now), Err(Refused::Unknown), "{changed}");
        }
        for token in ["", ".", "..", "YW5u.1800000000", "YW5u.1800000000.", &token[1..], &format!("{token}.")]
        {
            assert_eq!(secret.reader(token, now), Err(Refused::Unknown), "{token}");
        }
        assert_eq!(TokenSecret::new("another").reader(&token, now), Err(Refused::Unknown));
    }

    #[test]
    fn what_was_signed_for_one_purpose_is_nothing_for_another() {
        let (secret, ann) = (TokenSecret::new(SECRET), ReaderId::new("ann").unwrap());
        let session = secret.sign_for(Purpose::Session, &ann, Timestamp(2_000));
        assert_eq!(
            secret.verify(Purpose::Session, &session, Timestamp(0)),
            Ok((ann.clone(), Timestamp(2_000)))
        );
        assert_eq!(secret.reader(&session, Timestamp(0)), Err(Refused::Unknown));
        let token = secret.sign(&ann, Timestamp(2_000));
        assert_eq!(secret.verify(Purpose::Session, &token, Timestamp(0)), Err(Refused::Unknown));
    }
}
