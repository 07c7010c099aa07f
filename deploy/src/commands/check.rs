//! `check`: the dataflow, the configuration in force, and whether each edge and the model answer.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{Graph, Runtime, log::Log};
use abovefold_operators::pipeline::graphs;
use anyhow::bail;
use serde_json::json;

use crate::{
    config::Config,
    http::Keys,
    output::Output,
    owner,
    session::{Model, load_model},
    strays,
};

/// How long one edge may take to answer.
const LIMIT: Duration = Duration::from_secs(15);

/// How long looking for strays may take.
const SAMPLE_LIMIT: Duration = Duration::from_secs(8);

/// Says what is in force and tries it. Fails when anything does not answer.
pub async fn run(config: Config, graph_only: bool, json: bool, output: &Output) -> anyhow::Result<()> {
    let graphs = graphs(&config.steps());
    if graph_only {
        say_graphs(&graphs, json, output);
        return Ok(());
    }
    let owned = config.is_embedded() && owner::is_alive(&config.home).await;
    let mut found = Vec::new();
    for (what, url) in
        [("log", config.log_url()), ("state", config.state_url()), ("articles", config.articles_url())]
    {
        let answer = if owned && url.starts_with("file:") {
            Ok("held by the process that owns the home, which answers".to_owned())
        } else {
            let tried = try_edge(what, &config);
            let late = || {
                anyhow::anyhow!("no answer within {} s; is it up, and is the address right?", LIMIT.as_secs())
            };
            Runtime::real().timeout(LIMIT, tried).await.unwrap_or_else(|| Err(late()))
        };
        found.push((what, abovefold_engine::state::masked(&url), answer));
    }
    let model = load_model(&config).map(|model| match model {
        Some(model) => format!("version {}, {}", model.facts().version, describe(&model)),
        None => "none: reads are folded without an embedding, trending articles are served".to_owned(),
    });
    let folder = config.model_folder().map_or("none".into(), |folder| folder.display().to_string());
    found.push(("model", folder, model));
    let keys = match Keys::load(&config.http) {
        Ok(keys) => keys.in_words(),
        Err(error) => {
            found.push(("http", config.http.listen.clone(), Err(error)));
            String::new()
        }
    };
    if json {
        let rows: Vec<_> = found
            .iter()
            .map(|(what, url, answer)| {
                let text = answer.as_ref().map_or_else(|error| format!("{error:#}"), Clone::clone);
                json!({"what": what, "url": url, "ok": answer.is_ok(), "says": text})
            })
            .collect();
        output.line(json!({"checks": rows, "graphs": graphs}).to_string());
    } else {
        output.line(config.masked());
        say_graphs(&graphs, false, output);
        output.line(format!("http {}: {keys}", config.http.listen));
        for (what, url, answer) in &found {
            output.line(match answer {
                Ok(text) => format!("ok      {what} {url}: {text}"),
                Err(error) => format!("FAILED  {what} {url}: {error:#}"),
            });
        }
    }
    let failed: Vec<&str> =
        found.iter().filter(|(_, _, answer)| answer.is_err()).map(|(what, _, _)| *what).collect();
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("check: {} did not answer as it should; see above", failed.join(", "))
    }
}

fn say_graphs(graphs: &[Graph], json: bool, output: &Output) {
    for graph in graphs {
        output.line(if json { json!(graph).to_string() } else { graph.to_table() });
    }
}

fn describe(model: &Model) -> String {
    let facts = model.facts();
    let trees = if model.trees.is_some() { "with trees" } else { "without trees" };
    format!("{} on {}, tiles of {} rows, {trees}", facts.precision, facts.device_class, facts.tile)
}

/// Opens one edge and asks it something; makes nothing.
async fn try_edge(what: &str, config: &Config) -> anyhow::Result<String> {
    match what {
        "log" => {
            let (url, settings) = (config.log_url(), config.log_settings());
            let log: Arc<dyn Log> =
                tokio::task::spawn_blocking(move || abovefold_engine::log::open(&url, &settings)).await??;
            let topic = config.topics()?.user_events;
            match log.partitions(&topic).await? {
                Some(partitions) => {
                    let sampled = strays::sample(log.as_ref(), &topic);
                    let strays = match Runtime::real().timeout(SAMPLE_LIMIT, sampled).await {
                        Some(strays) => strays?.to_string(),
                        None => "the log is too slow to count strays".to_owned(),
                    };
                    Ok(format!("topic {topic} has {partitions} partitions; {strays}"))
                }
                None => Ok(format!(
                    "no topic {topic} yet; the first start makes it with {} partitions",
                    config.topics.partitions
                )),
            }
        }
        "state" => {
            let store = abovefold_engine::state::open(&config.state_url(), &config.state_settings()).await?;
            Ok(store.check().await?)
        }
        _ => {
            let articles =
                abovefold_operators::articles::open(&config.articles_url(), &config.article_settings())
                    .await?;
            Ok(articles.check().await?)
        }
    }
}
