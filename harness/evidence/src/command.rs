//! `command.txt`: a command line that can be pasted into a shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// `arguments` (program first) for a POSIX shell, one a line.
pub(crate) fn quoted<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Vec<u8> {
    let words: Vec<Vec<u8>> = arguments.into_iter().map(|word| quote(word.as_ref().as_bytes())).collect();
    let mut text = words.join(&b" \\\n  "[..]);
    text.push(b'\n');
    text
}

fn quote(word: &[u8]) -> Vec<u8> {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./,:=+@%".contains(byte);
    if !word.is_empty() && word.iter().all(safe) {
        return word.to_vec();
    }
    let mut quoted = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let words =
            ["printf", "[%s]", "", "a b", "it's", "$HOME `id` \"x\" \\", "-drive", "if=none,file=a\nb", "*"];
        let text = String::from_utf8(quoted(words)).unwrap();
        assert!(text.starts_with("printf \\\n  '[%s]' \\\n  '' \\\n  'a b' \\\n  'it'\\''s'"), "{text}");
        let output = Command::new("sh").arg("-c").arg(&text).output().unwrap();
        let expected: String = words[2..].iter().map(|word| format!("[{word}]")).collect();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}
