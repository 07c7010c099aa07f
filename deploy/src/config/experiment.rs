//! An experiment as it is configured: arms, each with what differs from `[query]`.

use std::path::PathBuf;

use abovefold_operators::query::{Arm, Experiment, QuerySettings, arms::OF_THE_WHOLE};
use anyhow::{Context, bail};
use figment::{Figment, providers::Serialized};
use serde::{Deserialize, Serialize};

use crate::namespaces::LIVE;

/// The section `[experiment]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentConfig {
    pub name: String,
    pub salt: String,
    pub arms: Vec<ArmConfig>,
}

/// One entry of `[[experiment.arms]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmConfig {
    pub name: String,
    pub weight: f64,
    /// What goes over `[query]`.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub query: toml::Table,
    /// What its readers see instead of what `live` points to, for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The folder of the model that reads that namespace; the process's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
}

impl ExperimentConfig {
    /// The experiment, over the settings that its arms change; `None` where there are no arms.
    ///
    /// # Errors
    /// When the experiment has no name, when arms are none (see [`Experiment::new`]), or when one changes what there is not, or what
    /// belongs to the whole read path.
    pub fn read(&self, query: &QuerySettings) -> anyhow::Result<Option<Experiment>> {
        if self.arms.is_empty() {
            return Ok(None);
        }
        if self.name.is_empty() {
            bail!("it has arms and no name; give it one, which also seeds the lot unless there is a salt");
        }
        let arms = self.arms.iter().map(|arm| {
            let settings = arm.settings(query).with_context(|| format!("the arm {:?}", arm.name))?;
            anyhow::Ok(Arm { name: arm.name.clone(), weight: arm.weight, settings })
        });
        let salt = if self.salt.is_empty() { &self.name } else { &self.salt };
        let experiment = Experiment::new(salt, arms.collect::<anyhow::Result<_>>()?);
        experiment.map(Some).map_err(anyhow::Error::msg)
    }
}

impl ArmConfig {
    /// What its readers are served with.
    fn settings(&self, query: &QuerySettings) -> anyhow::Result<QuerySettings> {
        if self.namespace.as_deref() == Some(LIVE) {
            bail!("an arm is served from `{LIVE}` where it names no namespace; leave it out");
        }
        if self.model.is_some() && self.namespace.is_none() {
            bail!(
                "it has a model of its own; name the namespace that the model reads, too, since `{LIVE}` may come to point to another one"
            );
        }
        if let Some(key) = self.query.keys().find(|key| OF_THE_WHOLE.contains(&key.as_str())) {
            bail!("query.{key} belongs to the whole read path and not to an arm; set it in [query]");
        }
        let merged = Figment::from(Serialized::defaults(query)).merge(Serialized::defaults(&self.query));
        merged.extract().context("query")
    }
}

#[cfg(test)]
mod tests {
    use abovefold_operators::query::RankBy;

    use super::super::Config;

    fn read(text: &str) -> anyhow::Result<Config> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()), &[])
    }

    const TWO: &str = "[query.composition]\nsection_share = 0.5\n[experiment]\nname = \"autumn\"\n\
        [[experiment.arms]]\nname = \"old\"\nweight = 1\n\
        [[experiment.arms]]\nname = \"new\"\nweight = 0.5\nquery = { ranker = \"reference\", related_candidates = 40 }\n";

    #[test]
    fn an_arm_is_the_section_query_with_what_differs() {
        let config = read(TWO).unwrap();
        let experiment = config.experiment().unwrap();
        let [old, new] = experiment.arms() else { panic!("two arms") };
        assert_eq!((old.name.as_str(), old.weight, &old.settings), ("old", 1.0, &config.query));
        assert_eq!((new.settings.ranker, new.settings.related_candidates), (RankBy::Reference, 40));
        assert_eq!(new.settings.composition.section_share, 0.5, "the rest is as in [query]");
        let shown: Config = toml::from_str(&config.masked()).unwrap();
        assert_eq!(shown.experiment, config.experiment, "what check shows can be given again");
        assert_eq!(read("").unwrap().experiment(), None);
    }

    #[test]
    fn what_is_no_experiment_is_refused_at_once_and_in_one_line() {
        for (from, to, reason) in [
            ("name = \"autumn\"", "", "no name"),
            ("weight = 0.5", "weight = -1", "the weight of new is -1"),
            ("name = \"new\"", "name = \"old\"", "two arms are called old"),
            ("related_candidates = 40", "related_candidats = 40", "related_candidats"),
            ("related_candidates = 40", "related_candidates = \"many\"", "related_candidates"),
            ("related_candidates = 40", "batch = 4", "query.batch belongs to the whole read path"),
            ("weight = 0.5", "weight = 0.5\nmodel = \"m\"", "name the namespace that the model reads"),
            ("weight = 0.5", "weight = 0.5\nnamespace = \"live\"", "leave it out"),
            ("weight = 0.5", "weight = 0.5\nwait = 1", "wait"),
        ] {
            assert!(TWO.contains(from));
            let error = format!("{:#}", read(&TWO.replace(from, to)).unwrap_err());
            assert!(error.contains(reason), "{to}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
