//! Articles, as versions in the `articles` topic, keyed by the article's number.

use prost::Message;

use crate::kept::Kept;

/// One version of an article. The highest offset in the topic is the article as it is now.
#[derive(Clone, PartialEq, Message)]
pub struct ArticleVersion {
    /// The article.
    #[prost(int64, tag = "1")]
    pub article_id: i64,
    /// The headline.
    #[prost(string, tag = "2")]
    pub title: String,
    /// The teaser.
    #[prost(string, tag = "3")]
    pub subtitle: String,
    /// The text, paragraphs parted by blank lines.
    #[prost(string, tag = "4")]
    pub body: String,
    /// The section.
    #[prost(string, tag = "5")]
    pub category: String,
    /// What it is about.
    #[prost(string, repeated, tag = "6")]
    pub topics: Vec<String>,
    /// When it was published (ms since 1970).
    #[prost(int64, tag = "7")]
    pub published: i64,
    /// The vector: 768 numbers in the vector space of the model; none where there is none yet.
    #[prost(float, repeated, tag = "8")]
    pub vector: Vec<f32>,
    /// Withdrawn: no longer shown, still counted.
    #[prost(bool, tag = "9")]
    pub withdrawn: bool,
}

impl Kept for ArticleVersion {
    const NAME: &'static str = "article version";
}
