//! What a dataflow is made of, as data: for people, and for the operations page.

use std::fmt::Write;

use serde::Serialize;

/// What a step of a dataflow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Takes nothing: what flows begins here.
    Source,
    /// Takes and emits.
    Operator,
    /// Emits nothing: what flows ends here.
    Sink,
}

impl NodeKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Operator => "operator",
            Self::Sink => "sink",
        }
    }
}

/// One step of a dataflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name, as in logs and metrics.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// The type of what goes in, without paths; none for a source.
    pub takes: Option<String>,
    /// The type of what comes out, without paths; none for a sink.
    pub emits: Option<String>,
}

impl Node {
    /// A source of `Out`.
    pub fn source<Out>(name: &str) -> Self {
        Self { name: name.into(), kind: NodeKind::Source, takes: None, emits: Some(short_name::<Out>()) }
    }

    /// A step from `In` to `Out`.
    pub fn operator<In, Out>(name: &str) -> Self {
        let (takes, emits) = (Some(short_name::<In>()), Some(short_name::<Out>()));
        Self { name: name.into(), kind: NodeKind::Operator, takes, emits }
    }

    /// A last step, which takes `In`.
    pub fn sink<In>(name: &str) -> Self {
        Self { name: name.into(), kind: NodeKind::Sink, takes: Some(short_name::<In>()), emits: None }
    }
}

/// The steps of a dataflow and what joins them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The dataflow's name.
    pub name: String,
    /// Its steps, sources first.
    pub nodes: Vec<Node>,
    /// From which node to which, by their place in `nodes`.
    pub edges: Vec<(usize, usize)>,
}

impl Graph {
    /// A graph in which each node hands on to the next one.
    pub fn line(name: &str, nodes: Vec<Node>) -> Self {
        let edges = (1..nodes.len()).map(|to| (to - 1, to)).collect();
        Self { name: name.into(), nodes, edges }
    }

    /// The graph in one line, such as `write: source -> decode -> window`.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}:", self.name);
        for (place, node) in self.nodes.iter().enumerate() {
            let arrow = if self.edges.iter().any(|(_, to)| *to == place) { " -> " } else { " " };
            write!(text, "{arrow}{}", node.name).expect("writing to a string cannot fail");
        }
        text
    }

    /// [`Graph::to_text`], then a line for each step that says what it is, takes and emits.
    pub fn to_table(&self) -> String {
        let width = |cell: fn(&Node) -> usize| self.nodes.iter().map(cell).max().unwrap_or(0);
        let name_width = width(|node| node.name.chars().count());
        let takes_width = width(|node| node.takes.as_ref().map_or(0, |name| name.chars().count()));
        let mut text = self.to_text();
        for node in &self.nodes {
            let takes = node.takes.as_deref().unwrap_or_default();
            let line = format!("{:name_width$}  {:8}  {takes:takes_width$}", node.name, node.kind.as_str());
            let emits = node.emits.as_ref().map(|emits| format!(" -> {emits}")).unwrap_or_default();
            write!(text, "\n  {}", format!("{line}{emits}").trim_end())
                .expect("writing to a string cannot fail");
        }
        text
    }
}

/// The name of a type without the paths in it, such as `Feed<Epoch<RecordRun>>`.
pub fn short_name<T: ?Sized>() -> String {
    let mut short = String::new();
    let mut word = String::new();
    for character in std::any::type_name::<T>().chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => word.push(character),
            // What came so far was the path to what comes.
            ':' => word.clear(),
            other => {
                short.push_str(&std::mem::take(&mut word));
                short.push(other);
            }
        }
    }
    short + &word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{feed::Epoch, feed::Feed, log::RecordRun};

    #[test]
    fn types_are_named_without_their_paths() {
        assert_eq!(short_name::<Feed<Epoch<RecordRun>>>(), "Feed<Epoch<RecordRun>>");
        assert_eq!(short_name::<(Option<u8>, &'static str)>(), "(Option<u8>, &str)");
        assert_eq!(short_name::<[std::collections::BTreeMap<u8, ()>]>(), "[BTreeMap<u8, ()>]");
    }

    #[test]
    fn a_graph_is_read_in_lines() {
        let nodes = vec![
            Node::source::<u8>("numbers"),
            Node::operator::<u8, String>("words"),
            Node::sink::<String>("ink"),
        ];
        let graph = Graph::line("write", nodes);
        let table = [
            "write: numbers -> words -> ink",
            "  numbers  source           -> u8",
            "  words    operator  u8     -> String",
            "  ink      sink      String",
        ];
        assert_eq!(graph.to_table(), table.join("\n"));
        let json = serde_json::to_value(&graph).unwrap();
        assert_eq!(json["nodes"][1]["takes"], "u8");
        assert_eq!(json["nodes"][2]["kind"], "sink");
        assert_eq!(json["edges"][1][1], 2);
    }
}
