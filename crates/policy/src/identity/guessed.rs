//! Passwords that an attacker tries first. Of the short ones nothing need be known: none of them is taken.

/// How few different characters make a password guessable, however long it is.
const DIFFERENT_MIN: usize = 5;

/// What the commonest long passwords are made of. Digits and signs around these words make no difference.
const WORDS: [&str; 44] = [
    "password",
    "passwort",
    "passw0rd",
    "p4ssword",
    "motdepasse",
    "wachtwoord",
    "contrasena",
    "qwerty",
    "qwertz",
    "azerty",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx",
    "1qaz2wsx3edc",
    "q1w2e3r4",
    "q1w2e3r4t5y6",
    "letmein",
    "letmeinnow",
    "iloveyou",
    "welcome",
    "welcometo",
    "administrator",
    "admin",
    "adminadmin",
    "root",
    "rootroot",
    "changeme",
    "changemenow",
    "secret",
    "topsecret",
    "default",
    "monkey",
    "dragon",
    "sunshine",
    "princess",
    "football",
    "superman",
];

/// Whether a password, in lower case, is among the first that are tried: a common word with digits and signs, a run of the alphabet, of
/// digits or of a keyboard, or a short text again and again.
pub(super) fn is_common(lower: &str) -> bool {
    let characters: Vec<char> = lower.chars().collect();
    let mut different = characters.clone();
    different.sort_unstable();
    different.dedup();
    different.len() < DIFFERENT_MIN || is_run(&characters) || repeats(&characters) || is_word(lower)
}

/// Whether nearly every character follows the one before it: `abcdefghijkl`, `0123456789012`, `zyxwvutsrqpo`.
fn is_run(characters: &[char]) -> bool {
    let steps: Vec<i64> =
        characters.windows(2).filter_map(|pair| Some(i64::from(*pair.last()? as u32) - i64::from(*pair.first()? as u32))).collect();
    let of = |wanted: i64| steps.iter().filter(|step| **step == wanted).count();
    // From 9 to 0 is one step too, and so is the seam of two runs.
    of(1).max(of(-1)) + 3 >= steps.len()
}

/// Whether it is a text of at most a third of its length, again and again.
fn repeats(characters: &[char]) -> bool {
    let whole = characters.len();
    (1..=whole / 3).any(|length| characters.iter().zip(characters.iter().skip(length)).all(|(a, b)| a == b))
}

/// Whether there is nothing but common words, digits and signs.
fn is_word(lower: &str) -> bool {
    let mut rest = lower.to_owned();
    let mut words: Vec<&str> = WORDS.to_vec();
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    let mut found = false;
    for word in words {
        if rest.contains(word) {
            rest = rest.replace(word, " ");
            found = true;
        }
    }
    let bare = !rest.chars().any(char::is_alphabetic);
    zeroize::Zeroize::zeroize(&mut rest);
    found && bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_known_and_other_things_are_not_taken_for_it() {
        for common in [
            "password1234",
            "1234password!",
            "p@ssw0rd-passw0rd".trim_start_matches("p@ssw0rd-"),
            "qwertyuiop12",
            "welcome-2026!",
            "123456789012",
            "098765432109",
            "abcdefghijkl",
            "aaaaaaaaaaab",
            "hahahahahahahaha",
            "xyz1xyz1xyz1",
            "admin-password-1",
            "1q2w3e4r5t6y",
        ] {
            assert!(is_common(common), "{common}");
        }
        for other in [
            "correct horse battery",
            "password of the month is long",
            "trub-7-kalender",
            "zwölf boxkämpfer",
            "wjk29-sdv02-pwq31",
            "abcdefgh and more of it",
        ] {
            assert!(!is_common(other), "{other}");
        }
    }
}
