//! Lets the program run from any folder with no environment, and lets it be built before its page is.
#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on standard output")]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What the program shows when its page was not built; `deploy/setup/site.sh` knows it by its mark. What the server prints goes into the
/// element, as in the page itself.
const PLACEHOLDER: &str = "<!doctype html>\n<html lang=\"en\"><!-- abovefold-placeholder -->\n<title>Abovefold</title>\n\
    <div id=\"paper\"></div>\n\
    <p>The page was not built into this program. <code>make build</code> builds both.</p>\n</html>\n";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if let Some(libtorch) = env::var_os("LIBTORCH") {
        for folder in library_folders(Path::new(&libtorch)) {
            println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
        }
    }
    provide_page(Path::new("../site/dist"))
}

/// Where libtorch and the CUDA runtime that it is linked with lie. The second is found beside the first in a Python
/// environment, and is absent elsewhere.
fn library_folders(libtorch: &Path) -> Vec<PathBuf> {
    let mut folders = vec![libtorch.join("lib")];
    if let Some(packages) = libtorch.parent() {
        let cuda = packages.join("nvidia/cu13/lib");
        if cuda.is_dir() {
            folders.push(cuda);
        }
    }
    folders
}

/// The page is embedded from this folder; without one, the macro that embeds it would not compile.
fn provide_page(dist: &Path) -> io::Result<()> {
    println!("cargo:rerun-if-changed={}", dist.display());
    let index = dist.join("index.html");
    if !index.exists() {
        fs::create_dir_all(dist)?;
        fs::write(index, PLACEHOLDER)?;
    }
    Ok(())
}
