//! The models folder: models by name, the link `current` to the one that is served, and a list of those that served.
//!
//! ```text
//! models/first/ second/    a model folder each
//! models/current           a link to one of them
//! models/.served           what served, latest first, one a line as the link named it
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use abovefold_models::{Card, folder::CARD_FILE, folder::WEIGHTS_FILE, trees::TREES_FILE};

use crate::config::Config;

/// The link to the model that is served.
pub const CURRENT: &str = "current";
/// The list of the models that served.
const SERVED: &str = ".served";
/// The most entries of that list.
const REMEMBERED: usize = 8;
/// The longest name of a model.
pub const LONGEST_NAME: usize = 100;

/// A folder of models.
#[derive(Clone, Debug)]
pub struct ModelsFolder {
    path: PathBuf,
}

/// What `current` names: its target as it stands in the link, and when that model's files were written. Whatever is put there changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointed {
    /// As the link has it.
    pub target: PathBuf,
    written: Vec<Option<SystemTime>>,
}

impl ModelsFolder {
    /// The folder of the link that the configuration names as its model, else the home's.
    pub fn of(config: &Config) -> Self {
        let named =
            config.model.parent().filter(|_| config.model.file_name().is_some_and(|name| name == CURRENT));
        Self { path: named.map_or_else(|| config.home.join("models"), Path::to_owned) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The link `current`.
    pub fn link(&self) -> PathBuf {
        self.path.join(CURRENT)
    }

    /// What the link names; `None` where there is no link.
    pub fn pointed(&self) -> Option<Pointed> {
        let target = fs::read_link(self.link()).ok()?;
        let written = written(&self.path.join(&target));
        Some(Pointed { target, written })
    }

    /// The folder that a target, as the link has it, stands for.
    pub fn at(&self, target: &Path) -> PathBuf {
        self.path.join(target)
    }

    /// Where the model of a name lies.
    ///
    /// # Errors
    /// In words, when no model can have this name.
    pub fn named(&self, name: &str) -> Result<PathBuf, String> {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        if name.is_empty()
            || name.len() > LONGEST_NAME
            || name.starts_with('.')
            || !name.chars().all(is_letter)
        {
            return Err(format!(
                "is no name of a model: up to {LONGEST_NAME} letters, digits, dots, hyphens and underscores, a dot not first"
            ));
        }
        match name == CURRENT {
            true => Err("is the link to the model that is served, and no model's name".into()),
            false => Ok(self.path.join(name)),
        }
    }

    /// The names of the models in it, in order, each with its version where the card can be read.
    pub fn list(&self) -> Vec<(String, Option<String>)> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| self.named(name).is_ok_and(|folder| folder.join(CARD_FILE).is_file()));
        names.sort();
        let version = |name: &String| {
            let card = fs::read(self.path.join(name).join(CARD_FILE)).ok()?;
            serde_json::from_slice::<Card>(&card).ok().map(|card| card.version)
        };
        names.into_iter().map(|name| (name.clone(), version(&name))).collect()
    }

    /// Lets the link name a model: whoever looks sees the one or the other.
    ///
    /// # Errors
    /// When there is something else by the link's name, or the folder cannot be written.
    pub fn point(&self, name: &str) -> io::Result<()> {
        let link = self.link();
        if fs::symlink_metadata(&link).is_ok_and(|found| !found.is_symlink()) {
            return Err(io::Error::other(
                "it is there and is no link: move it away, or to a name of its own",
            ));
        }
        let beside = self.path.join(format!(".{CURRENT}-{}", std::process::id()));
        // Left by a process of this number that was killed.
        fs::remove_file(&beside).ok();
        std::os::unix::fs::symlink(name, &beside)?;
        fs::rename(&beside, &link)
    }

    /// The models that served, latest first, as the link named them.
    pub fn served(&self) -> Vec<PathBuf> {
        let list = fs::read_to_string(self.path.join(SERVED)).unwrap_or_default();
        list.lines().map(PathBuf::from).collect()
    }

    /// Remembers that a model serves.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub fn remember(&self, target: &Path) -> io::Result<()> {
        let before = self.served();
        if before.first().is_some_and(|first| first == target) {
            return Ok(());
        }
        let others = before.into_iter().filter(|other| other != target);
        let all: Vec<String> = [target.to_owned()]
            .into_iter()
            .chain(others)
            .take(REMEMBERED)
            .map(|path| path.display().to_string())
            .collect();
        let beside = self.path.join(format!("{SERVED}-{}", std::process::id()));
        fs::write(&beside, all.join("\n") + "\n")?;
        fs::rename(&beside, self.path.join(SERVED))
    }
}

/// When the files of a model folder were written; `None` for one that is missing.
pub fn written(folder: &Path) -> Vec<Option<SystemTime>> {
    let written = |file: &str| folder.join(file).metadata().ok()?.modified().ok();
    [CARD_FILE, WEIGHTS_FILE, TREES_FILE].into_iter().map(written).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

    use super::*;

    fn folder(home: &Path) -> ModelsFolder {
        let folder = ModelsFolder { path: home.join("models") };
        for name in ["first", "second"] {
            fs::create_dir_all(folder.path.join(name)).unwrap();
            fs::write(folder.path.join(name).join(CARD_FILE), "{}").unwrap();
        }
        folder
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let folder = ModelsFolder { path: "/models".into() };
        assert_eq!(folder.named("2026-03-01_a.b").unwrap(), Path::new("/models/2026-03-01_a.b"));
        for name in
            ["", ".", "..", "../x", "a/b", "/etc", ".served", "current", "a\0b", "ä", &"x".repeat(101)]
        {
            assert!(folder.named(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_link_is_moved_and_what_served_is_remembered() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path());
        assert_eq!(folder.pointed(), None);
        for name in ["first", "second", "first"] {
            folder.point(name).unwrap();
            folder.remember(Path::new(name)).unwrap();
            assert_eq!(folder.pointed().unwrap().target, Path::new(name));
            assert!(folder.link().join(CARD_FILE).is_file(), "the link is relative to its folder");
        }
        assert_eq!(folder.served(), [Path::new("first"), Path::new("second")]);
        let names: Vec<String> = folder.list().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["first", "second"], "neither the link nor the list is a model");
    }

    #[test]
    fn a_folder_by_the_links_name_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path());
        fs::create_dir(folder.link()).unwrap();
        assert!(folder.point("first").unwrap_err().to_string().contains("no link"));
        assert!(folder.link().is_dir());
    }

    #[test]
    fn a_model_that_is_written_anew_under_the_link_is_told_by_its_files() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path());
        folder.point("first").unwrap();
        let before = folder.pointed();
        assert_eq!(folder.pointed(), before);
        fs::write(folder.path.join("first").join(WEIGHTS_FILE), "numbers").unwrap();
        assert_ne!(folder.pointed(), before);
    }
}
