//! Which of the offered media types a client would rather have (RFC 9110, 12.5.1).

use http::{HeaderMap, header};

use super::problem::Problem;

/// Media ranges that are looked at; nobody needs more.
const RANGES_MAX: usize = 64;

/// The index of the offered type that the client likes best, the first among equals; the first of all where it says nothing.
///
/// # Errors
/// When it takes none of them.
pub(super) fn choose(headers: &HeaderMap, offered: &[&str]) -> Result<usize, Problem> {
    let mut ranges = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        let text = value.to_str().map_err(|_| none(offered))?;
        ranges.extend(text.split(',').take(RANGES_MAX).filter_map(range));
    }
    if !headers.contains_key(header::ACCEPT) {
        return Ok(0);
    }
    let liked = offered.iter().enumerate().map(|(index, offer)| (index, liking(offer, &ranges)));
    // Of equals the last would be the greatest, so the order is turned round.
    liked.rev().max_by_key(|(_, liking)| *liking).filter(|(_, liking)| *liking > 0).map(|(index, _)| index).ok_or_else(|| none(offered))
}

/// That the client takes JSON, which is all that most routes have.
///
/// # Errors
/// When it does not.
pub(super) fn json(headers: &HeaderMap) -> Result<(), Problem> {
    choose(headers, &["application/json"]).map(|_| ())
}

fn none(offered: &[&str]) -> Problem {
    Problem::not_acceptable(format!("choose format: the header Accept allows none that there is; ask for {}", offered.join(", ")))
}

/// A kind, a subkind, and how much it is liked in thousandths.
struct Range<'a> {
    kind: &'a str,
    subkind: &'a str,
    quality: u16,
}

fn range(text: &str) -> Option<Range<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let (kind, subkind) = parts.next()?.split_once('/')?;
    let quality = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(Some(1_000), |(_, value)| thousandths(value.trim()))?;
    Some(Range { kind, subkind, quality })
}

/// `0`, `0.5`, `1.000`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1_000),
        _ => None,
    }
}

/// What the most exact range says of a type; 0 where none is about it.
fn liking(offer: &str, ranges: &[Range<'_>]) -> u16 {
    let (kind, subkind) = offer.split_once('/').unwrap_or((offer, ""));
    let exactness = |range: &Range<'_>| match (range.kind, range.subkind) {
        ("*", "*") => Some(0),
        (given, "*") if given.eq_ignore_ascii_case(kind) => Some(1),
        (given, exact) if given.eq_ignore_ascii_case(kind) && exact.eq_ignore_ascii_case(subkind) => Some(2),
        _ => None,
    };
    let about = ranges.iter().filter_map(|range| exactness(range).map(|exactness| (exactness, range.quality)));
    about.max().map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OFFERED: [&str; 3] = ["application/json", "text/csv", "application/x-ndjson"];

    fn chosen(accept: &[&str]) -> Option<usize> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        choose(&headers, &OFFERED).ok()
    }

    #[test]
    fn the_one_that_is_liked_best_is_chosen_and_the_first_among_equals() {
        assert_eq!(chosen(&[]), Some(0));
        assert_eq!(chosen(&["*/*"]), Some(0));
        assert_eq!(chosen(&["text/csv, application/json"]), Some(0));
        assert_eq!(chosen(&["TEXT/CSV"]), Some(1));
        assert_eq!(chosen(&["text/*"]), Some(1));
        assert_eq!(chosen(&["text/csv;q=0.5, application/x-ndjson;q=0.9;x=y"]), Some(2));
        assert_eq!(chosen(&["text/csv;q=0.5", "application/x-ndjson"]), Some(2));
        // The more exact range decides, though another likes it more.
        assert_eq!(chosen(&["application/json;q=0, */*"]), Some(1));
        for none in ["", "text/html", "application/json;q=0", "application/json;q=2", "application/json;q=0.1234", "json", "a/b/c"] {
            assert_eq!(chosen(&[none]), None, "{none}");
        }
    }
}
