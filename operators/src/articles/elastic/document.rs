//! An article as a document of Elasticsearch.

use std::fmt::Write as _;

use abovefold_schemas::{ArticleId, ArticleVersion, Offset};
use serde::{Deserialize, Serialize};

use super::super::{Article, filter::direction};

/// The document. `vector` is searched and not given back; `vector_hex` is given back and not searched: servers from 9.2 on leave
/// `dense_vector` out of what they give back, and the bytes come back exactly.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document {
    article_id: i64,
    offset: u64,
    title: String,
    subtitle: String,
    body: String,
    category: String,
    topics: Vec<String>,
    published: i64,
    withdrawn: bool,
    /// At length 1. None for a withdrawn article, which is never to be found, and for one without direction, which a cosine
    /// index refuses.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    vector: Option<Vec<f32>>,
    /// The numbers as they came, little-endian, in hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    vector_hex: String,
}

impl Document {
    pub(super) fn of(article: &Article) -> Self {
        let version = &article.version;
        Self {
            article_id: article.id.0,
            offset: article.offset.0,
            title: version.title.clone(),
            subtitle: version.subtitle.clone(),
            body: version.body.clone(),
            category: version.category.clone(),
            topics: version.topics.clone(),
            published: version.published,
            withdrawn: version.withdrawn,
            vector: if version.withdrawn { None } else { direction(&version.vector) },
            vector_hex: to_hex(&version.vector),
        }
    }

    /// The article; `None` where the hexadecimal text is none.
    pub(super) fn into_article(self) -> Option<Article> {
        let version = ArticleVersion {
            article_id: self.article_id,
            title: self.title,
            subtitle: self.subtitle,
            body: self.body,
            category: self.category,
            topics: self.topics,
            published: self.published,
            vector: from_hex(&self.vector_hex)?,
            withdrawn: self.withdrawn,
        };
        Some(Article { id: ArticleId(self.article_id), offset: Offset(self.offset), version })
    }
}

fn to_hex(vector: &[f32]) -> String {
    let mut text = String::with_capacity(vector.len() * 8);
    for number in vector {
        // Writing to a text cannot fail.
        let _ = write!(text, "{:08x}", number.to_bits().swap_bytes());
    }
    text
}

fn from_hex(text: &str) -> Option<Vec<f32>> {
    if !text.len().is_multiple_of(8) {
        return None;
    }
    let number = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        Some(f32::from_bits(u32::from_str_radix(digits, 16).ok()?.swap_bytes()))
    };
    text.as_bytes().chunks_exact(8).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_comes_back_bit_by_bit() {
        let vector = vec![0.0, -0.0, 1.0 / 3.0, f32::MIN_POSITIVE / 2.0, f32::MAX, -1e-30];
        let back = from_hex(&to_hex(&vector)).unwrap();
        assert_eq!(
            back.iter().map(|n| n.to_bits()).collect::<Vec<_>>(),
            vector.iter().map(|n| n.to_bits()).collect::<Vec<_>>()
        );
        assert_eq!(to_hex(&[1.0]), "0000803f");
        assert_eq!(from_hex(""), Some(vec![]));
        assert_eq!(from_hex("123"), None);
        assert_eq!(from_hex("1234567g"), None);
    }

    #[test]
    fn withdrawn_articles_and_those_without_direction_have_no_vector_to_be_found_by() {
        let version = ArticleVersion { article_id: 1, vector: vec![1.0; 768], ..ArticleVersion::default() };
        let mut article = Article { id: ArticleId(1), offset: Offset(0), version };
        assert!(Document::of(&article).vector.is_some());
        article.version.withdrawn = true;
        let document = Document::of(&article);
        assert!(document.vector.is_none());
        assert!(document.into_article().unwrap() == article);
        article.version = ArticleVersion { vector: vec![0.0; 768], ..ArticleVersion::default() };
        assert!(Document::of(&article).vector.is_none());
    }
}
