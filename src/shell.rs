//! Words of a command that people are told to give, as a shell reads them: a path with a blank stays one word.

use std::path::Path;

/// The path as one word, quoted where a shell would see more in it.
pub fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    // It refuses nothing but a NUL, which no path of a system call holds.
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), Into::into)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_plain_path_stays_as_it_is_and_any_other_is_one_word_to_a_shell() {
        for plain in ["press", "/var/lib/inspectd/profiles/cam-0", "../a_b.d"] {
            assert_eq!(word(Path::new(plain)), plain);
        }
        for path in [
            "my press", "it's", "a\"b", "$HOME", "a;b", "*", "~", "a\nb", "",
        ] {
            let script = format!("printf %s {}", word(Path::new(path)));
            let said = Command::new("sh").arg("-c").arg(&script).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), path, "{script}");
        }
    }
}
