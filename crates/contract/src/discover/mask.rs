//! Values as they may be shown beside a finding.

/// Characters that stay in all.
const KEPT_MAX: usize = 3;
/// Characters of the mask, at most: its length must not tell the value's.
const LENGTH_MAX: usize = 24;

/// A value as it may be shown to whoever looks into a finding: its separators, the first character of its first words, and stars for
/// the rest. At most three characters stay, at most one of five, so that nobody knows whom it names.
pub fn mask(value: &str) -> String {
    let shown = value.chars().filter(|letter| letter.is_alphanumeric()).count() / 5;
    let mut left = shown.min(KEPT_MAX);
    let mut masked = String::new();
    let (mut begins, mut starred) = (true, false);
    for letter in value.chars() {
        if masked.chars().count() >= LENGTH_MAX {
            masked.push('…');
            break;
        }
        if !letter.is_alphanumeric() {
            masked.push(if letter.is_control() { ' ' } else { letter });
            (begins, starred) = (true, false);
        } else if begins && left > 0 && letter.is_alphabetic() {
            masked.push(letter);
            left -= 1;
            begins = false;
        } else if !starred {
            masked.push_str("***");
            (begins, starred) = (false, true);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_form_and_not_the_person() {
        for (value, masked) in [
            ("jean.dupont@exemple.fr", "j***.d***@e***.***"),
            ("FR76 3000 6000 0112 3456 7890 189", "F*** *** *** *** *** ***…"),
            ("06 12 34 56 78", "*** *** *** *** ***"),
            ("Ada", "***"),
            ("", ""),
            ("12 rue de la Paix", "*** r*** d*** *** ***"),
        ] {
            assert_eq!(mask(value), masked, "{value}");
        }
        assert!(mask(&"a ".repeat(500)).chars().count() <= LENGTH_MAX + 4);
    }
}
