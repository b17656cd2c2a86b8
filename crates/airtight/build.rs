//! Lets the crate compile before the web page was built: makes the folder that is
//! embedded if it is missing. Puts the files of the page into gzip, so that no server has to. It never runs Node.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// What has its redundancy left: everything that the page's build writes as text.
const TEXT: [&str; 4] = ["html", "js", "css", "svg"];

fn main() -> io::Result<()> {
    let dist = folder("CARGO_MANIFEST_DIR")?.join("../../web/dist");
    let gzip = folder("OUT_DIR")?.join("gzip");
    fs::create_dir_all(&dist)?;
    if gzip.exists() {
        fs::remove_dir_all(&gzip)?;
    }
    code(&dist, &gzip)?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    Ok(())
}

fn folder(variable: &str) -> io::Result<PathBuf> {
    env::var(variable).map(PathBuf::from).map_err(io::Error::other)
}

/// Writes what is text below `from` in gzip, under the same names below `to`.
fn code(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let is_text = path.extension().is_some_and(|kind| TEXT.iter().any(|text| kind == *text));
        if path.is_dir() {
            code(&path, &to)?;
        } else if is_text {
            let mut encoder = GzEncoder::new(fs::File::create(to)?, Compression::best());
            io::copy(&mut fs::File::open(path)?, &mut encoder)?;
            encoder.finish()?;
        }
    }
    Ok(())
}
