//! The parts of a rule of which each has to find series.

/// What is between `and`, `or` and `unless`, without what it is compared with and as it is now. An alert as a whole finds
/// nothing while all is well; each of these parts finds what it is about.
pub(crate) fn parts(query: &str) -> Vec<String> {
    let query = query.trim();
    if let Some(inner) = within_parentheses(query) {
        return parts(inner);
    }
    let words = top_words(query);
    let is_operator = |word: &&Word<'_>| ["and", "or", "unless"].contains(&word.text);
    let mut found = Vec::new();
    let mut from = 0;
    for operator in words.iter().filter(is_operator) {
        found.extend(parts(&query[from..operator.at]));
        from = operator.at + operator.text.len();
        // On which labels both sides are matched is nothing that is looked for.
        let matched = query[from..].trim_start();
        if ["on (", "on(", "ignoring (", "ignoring("]
            .iter()
            .any(|word| matched.starts_with(word))
        {
            from = query.len() - matched.len() + matched.find(')').map_or(0, |end| end + 1);
        }
    }
    if from > 0 {
        found.extend(parts(&query[from..]));
        return found;
    }
    let comparison = words
        .iter()
        .find(|word| ["==", "!=", ">", "<", ">=", "<="].contains(&word.text));
    match comparison {
        Some(comparison) => parts(&query[..comparison.at]),
        None => vec![without_offsets(query)],
    }
}

/// A word outside of parentheses, braces and quotes.
struct Word<'a> {
    at: usize,
    text: &'a str,
}

fn top_words(query: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut depth, mut quoted, mut from) = (0_u32, false, None);
    for (at, letter) in query.char_indices().chain([(query.len(), ' ')]) {
        let is_part = depth == 0 && !quoted && letter != ' ' && !"({[\"".contains(letter);
        match (is_part, from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                let text = &query[start..at];
                words.push(Word { at: start, text });
                from = None;
            }
            _ => {}
        }
        match letter {
            '"' => quoted = !quoted,
            '(' | '{' | '[' if !quoted => depth += 1,
            ')' | '}' | ']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    words
}

/// What is within parentheses that are around the whole.
fn within_parentheses(query: &str) -> Option<&str> {
    let inner = query.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_i32;
    for letter in inner.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    Some(inner)
}

/// A test is over before there is anything of half an hour ago.
fn without_offsets(query: &str) -> String {
    let mut pieces = query.split(" offset ");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text += piece.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric());
    }
    text
}

#[test]
fn parts_are_what_is_between_set_operators() {
    let query = r#"(a{b=~"x or y"} > 0 and on (c, d) max(e[5m] offset 1d) == 1) unless on (c) f - f offset 15m < 0.5"#;
    let found = [r#"a{b=~"x or y"}"#, "max(e[5m])", "f - f"];
    assert_eq!(parts(query), found);
    assert_eq!(parts("max by (a) (b or c)"), ["max by (a) (b or c)"]);
    assert_eq!(
        parts("-predict_linear(a[6h], 86400) > 0"),
        ["-predict_linear(a[6h], 86400)"]
    );
}
