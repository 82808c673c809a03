//! Texts as anybody may read them: what a URL keeps secret is blotted out.
//!
//! User name and password go, and so does all of the query, where many cameras want a password. A
//! secret in the path of a URL can't be told from any other path and stays.

/// The text with each URL in it as `scheme://***@host/path?***`.
pub(super) fn blotted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, url) = rest.split_at(start + 3);
        shown.push_str(before);
        let end = url.find(ends_a_url).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        push_url(&mut shown, url);
        rest = after;
    }
    shown + rest
}

/// What stands in a URL only encoded.
fn ends_a_url(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>' | '`')
}

/// A URL without its scheme.
fn push_url(shown: &mut String, url: &str) {
    let (authority, rest) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => shown.extend(["***@", host]),
        None => shown.push_str(authority),
    }
    let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    // A proxy's URL may have another one for its path.
    shown.push_str(&blotted(path));
    if let Some(mark) = query.get(..1) {
        shown.extend([mark, "***"]);
        // What a program says of it follows: `URL: no route`.
        shown.push_str(if query.ends_with(':') { ":" } else { "" });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_url_of_a_text_is_blotted_and_nothing_else() {
        for (text, shown) in [
            ("no URL: a@b?c", "no URL: a@b?c"),
            ("http://h/x@y", "http://h/x@y"),
            (
                "'rtsp://u:p@ss@h:80/x?y@z' -> http://h?q#f: gone",
                "'rtsp://***@h:80/x?***' -> http://h?***: gone",
            ),
            ("a://b@c/d://e@f?g", "a://***@c/d://***@f?***"),
            ("tcp://u@h", "tcp://***@h"),
            ("://", "://"),
        ] {
            assert_eq!(blotted(text), shown);
            assert_eq!(blotted(shown), shown);
        }
    }

    proptest! {
        #[test]
        fn no_user_and_no_query_is_left(user in "[a-z]{9}", query in "[a-z0-9=&/@:]{1,9}") {
            let text = format!("x rtsp://{user}:{user}@h/p?q{query} y");
            let shown = blotted(&text).replace(": y", " y");
            prop_assert_eq!(shown, "x rtsp://***@h/p?*** y");
        }
    }
}
