//! Texts of others in GitHub's Markdown, where they are never markup.

use crate::text;

/// Characters of one text before the rest is only counted; `results.json` has everything.
const LIMIT: usize = 1_000;

/// Not endless, and in one line.
fn limited(text: &str) -> String {
    let (text, missing) = text::head(text, LIMIT);
    let text = text::visible(text);
    if missing == 0 { text.into_owned() } else { format!("{text}… ({missing} more characters)") }
}

/// Text in which nothing is markup: every ASCII punctuation character may be escaped (CommonMark §2.4).
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let text = limited(text);
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        // GitHub's autolinks and mentions have no escape in Markdown, so the text is broken by an entity.
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '$' => {
                out.extend(['\\', c])
            }
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            ':' if rest.starts_with("://") => out.push_str("&#58;"),
            'w' if rest.starts_with("www.") => out.push_str("&#119;"),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// A code span that holds any text (CommonMark §6.1).
pub fn code(text: &str) -> String {
    let text = limited(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad =
        if text.is_empty() || text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Code in a table. A code span cannot hold a pipe behind a backslash there, so a text with pipes becomes an element.
pub fn table_code(text: &str) -> String {
    if text.contains('|') {
        return format!("<code>{}</code>", plain(text).replace("\\|", "&#124;"));
    }
    code(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(plain("a|b *c* <d> `e` [f](g) \\|"), r"a\|b \*c\* \<d\> \`e\` \[f\](g) \\\|");
        assert_eq!(plain("http://x @all www.y &amp;"), "http&#58;//x &#64;all &#119;ww.y &amp;amp;");
        assert_eq!(plain("a\nb"), r"a\\nb", "a line feed would end the table row");
    }

    #[test]
    fn code_spans_outlast_backticks_and_pipes() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a`b|c"), "``a`b|c``");
        assert_eq!(table_code("a`b"), "``a`b``");
        assert_eq!(table_code("a`b|c\\|<d>"), r"<code>a\`b&#124;c\\&#124;\<d\></code>");
        assert_eq!(code("``"), "``` `` ```");
    }
}
