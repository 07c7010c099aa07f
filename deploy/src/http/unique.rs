//! A JSON text in which no object has a name twice: which of the two counts would depend on who reads it.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// Any JSON text whose objects' names are unique, all the way down. Only looked at, not kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct UniqueNames;

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = UniqueNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_unit<E: Error>(self) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<UniqueNames, A::Error> {
        while list.next_element::<UniqueNames>()?.is_some() {}
        Ok(UniqueNames)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<UniqueNames, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = object.next_key::<String>()? {
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!("the name `{name}` is there twice")));
            }
            names.insert(name);
            object.next_value::<UniqueNames>()?;
        }
        Ok(UniqueNames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_there_twice_is_found_wherever_it_is() {
        let look =
            |text: &str| serde_json::from_str::<UniqueNames>(text).map(|_| ()).map_err(|e| e.to_string());
        for text in [r#"{"a":1,"b":[{"a":2.5},{"a":null}],"c":"a"}"#, "[]", "1", r#""x""#, "true"] {
            assert_eq!(look(text), Ok(()), "{text}");
        }
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":{}},{"a":1,"x":0,"a":{}}]}"#, r#"{"a":1,"\u0061":2}"#]
        {
            assert!(look(text).is_err_and(|error| error.contains("the name `a` is there twice")), "{text}");
        }
        assert!(look(&"[".repeat(5_000)).is_err(), "depth is bounded");
    }
}
