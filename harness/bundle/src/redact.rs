//! Takes out of texts what says where, on which host and by whom a bundle was made.

/// Names shorter than this are words of other things too.
const SHORTEST: usize = 3;

/// Replaces this host's paths, its name and its user's.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// What is replaced, the longest first, and by what.
    pairs: Vec<(String, &'static str)>,
}

impl Redactor {
    /// Replaces `path`, an absolute one, by a word for it; `/` and what is as short are left alone.
    pub fn path(self, path: &str, word: &'static str) -> Self {
        let path = path.trim_end_matches('/');
        if path.len() < SHORTEST || !path.starts_with('/') { self } else { self.add(path, word) }
    }

    /// Replaces a name; `root` and `localhost` say nothing about anybody.
    pub fn name(self, name: &str, word: &'static str) -> Self {
        let name = name.trim();
        if name.len() < SHORTEST || ["root", "localhost"].contains(&name) {
            self
        } else {
            self.add(name, word)
        }
    }

    fn add(mut self, what: &str, word: &'static str) -> Self {
        self.pairs.push((what.to_owned(), word));
        self.pairs.sort_by_key(|(what, _)| std::cmp::Reverse(what.len()));
        self
    }

    /// The text without them. Names count where they stand as words.
    pub fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (what, word) in &self.pairs {
            out =
                if what.starts_with('/') { out.replace(what, word) } else { replace_words(&out, what, word) };
        }
        out
    }

    /// A command line without the folders of any path.
    pub fn command(&self, text: &str) -> String {
        bare_paths(&self.text(text))
    }
}

fn replace_words(text: &str, what: &str, word: &str) -> String {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(what) {
        let end = at + what.len();
        let before = rest[..at].chars().next_back().or(out.chars().next_back());
        let stands_alone = !is_part(before) && !is_part(rest[end..].chars().next());
        out.push_str(&rest[..at]);
        out.push_str(if stands_alone { word } else { what });
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Absolute paths by their last part, but for those of descriptors and devices.
fn bare_paths(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || [',', '\'', '"', '='].contains(&c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        let begins = rest[..at].chars().next_back().is_none_or(is_end);
        let end = rest[at..].find(is_end).map_or(rest.len(), |length| at + length);
        out.push_str(&rest[..at]);
        let path = &rest[at..end];
        match path.rsplit_once('/') {
            Some((_, file)) if begins && !file.is_empty() && !path.starts_with("/dev/") => out.push_str(file),
            _ => out.push_str(path),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_go_and_nothing_else() {
        let redactor = Redactor::default()
            .path("/home/alice", "~")
            .path("/home/alice/work/reports/r1", "RUN")
            .path("/", "ROOT")
            .name("alice", "USER")
            .name("build7\n", "HOST")
            .name("root", "USER")
            .name("ci", "USER");
        let text = redactor
            .text("/home/alice/work/reports/r1/x by alice (malice, alice2) on build7.example as root ci /");
        assert_eq!(text, "RUN/x by USER (malice, alice2) on HOST.example as root ci /");
        assert_eq!(redactor.text("/home/alice/.cache"), "~/.cache");
    }

    #[test]
    fn a_command_line_has_no_folders() {
        let command =
            "/usr/bin/qemu \\\n -drive file=/a/b/CODE.fd,ro 'file=/x y/z' path=/dev/fd/3 q35 10/2 /";
        let said = "qemu \\\n -drive file=CODE.fd,ro 'file=x y/z' path=/dev/fd/3 q35 10/2 /";
        assert_eq!(Redactor::default().command(command), said);
    }
}
